package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
)

var update = flag.Bool("update", false, "write the generated files")

// TestStaleReadme keeps README.md what the scenarios say and what the model
// predicts of them.
func TestStaleReadme(t *testing.T) {
	inputs, err := scenario.Load(scenario.Disk(), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	drills, err := harness.Drills(inputs, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# The drills\n\nGenerated from the scenarios and from what the model predicts of them; `make update` writes it.\n" +
		"Each file begins with what it teaches. [FORMAT.md](FORMAT.md) has every field.\n")
	topic := ""
	for _, d := range drills {
		if dir := path.Dir(d.Input.File); dir != topic {
			topic = dir
			fmt.Fprintf(&b, "\n## %s\n\n| scenario | what it teaches | profile | outcome |\n|---|---|---|---|\n", topic)
		}
		p := harness.Plan(d)
		if p.Verdict != result.Pass {
			t.Errorf("%s: the model gives %s", d.Input.File, p.Verdict)
		}
		if d.Input.Scenario.Metadata.Labels["topic"] != topic {
			t.Errorf("%s: its topic is %q; expected that of its folder, %q", d.Input.File, d.Input.Scenario.Metadata.Labels["topic"], topic)
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s | %s |\n", d.Name, d.Input.File, d.Input.Scenario.Metadata.Description, releases(d.Profile), p.Outcome)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("README.md is stale; run make update (-generated +file):\n%s", diff)
	}
}

// releases are those of a profile: the Istio, and the Envoy if it is not the one that it ships.
func releases(p istio.Profile) string {
	if shipped, err := istio.ParseProfile(p.Istio); err == nil && shipped.Envoy == p.Envoy {
		return p.Istio
	}
	return p.Istio + ", Envoy " + p.Envoy
}
