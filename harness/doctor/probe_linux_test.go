package doctor

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/sandbox"
)

// A child in namespaces of its own is the first process there.
func TestProbeNamespaces(t *testing.T) {
	if n := probeNamespaces(sandbox.Command("/bin/sh", "-c", "test $$ != 1"), patience); n.Made || n.Error == "" {
		t.Errorf("a child that fails: got %+v", n)
	}
	n := probeNamespaces(sandbox.Command("/bin/sh", "-c", "test $$ = 1"), patience)
	if n.Made == (n.Error != "") {
		t.Errorf("got %+v, want that they were made, or why not", n)
	}
	if n.WithUser != (os.Geteuid() != 0) {
		t.Errorf("as user %d: got %+v", os.Geteuid(), n)
	}
}

// What forbids to make them is said without the name of the program.
func TestProbeNamespacesRefused(t *testing.T) {
	cmd := sandbox.Command("/bin/none")
	if n := probeNamespaces(cmd, patience); n.Made || n.Error != "no such file or directory" && n.Error != "operation not permitted" {
		t.Errorf("got %+v", n)
	}
	start := time.Now()
	cmd = exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = sandbox.Command("/bin/sleep").SysProcAttr
	if n := probeNamespaces(cmd, 200*time.Millisecond); n.Made || time.Since(start) > 30*time.Second {
		t.Errorf("a child that does not end: got %+v after %v", n, time.Since(start))
	}
}
