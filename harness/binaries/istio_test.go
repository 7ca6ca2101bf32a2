package binaries

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite istio.key")

// The program looks in the cache for what hack/tools/istio builds now.
func TestStaleIstioKey(t *testing.T) {
	mod, err := os.ReadFile("../../hack/tools/istio/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("../../hack/tools/istio/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	want := IstioKey(mod, sum) + "\n"
	if *update {
		if err := os.WriteFile("istio.key", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if istioKey != want {
		t.Errorf("istio.key is %q, want %q: run make update", istioKey, want)
	}
}

// Every part of the build changes its name.
func TestIstioKey(t *testing.T) {
	base := IstioKey([]byte("mod"), []byte("sum"))
	if !strings.HasPrefix(base, IstioVersion+"-") || len(base) != len(IstioVersion)+1+12 {
		t.Errorf("got %q, want the version and twelve digits", base)
	}
	for _, other := range []string{IstioKey([]byte("mod2"), []byte("sum")), IstioKey([]byte("mod"), []byte("sum2")), IstioKey([]byte("mods"), []byte("um"))} {
		if other == base {
			t.Errorf("another input has the same name %q", base)
		}
	}
}
