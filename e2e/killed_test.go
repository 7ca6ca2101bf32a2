package e2e

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/journal"
	"github.com/faildrill/faildrill/harness/kindup"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/regions"
)

var (
	kills    = flag.Int("kills", 0, "runs on kind to kill at a random moment")
	killFrom = flag.Int("kill-from", 0, "how many of them to pass over")
	killSeed = flag.Uint64("kill-seed", 1, "seed of the moments")
)

// killed is the drill that is killed: it has a fault, and is short.
const killed = "scenarios/dns/nxdomain-of-the-only-name.yaml"

// latestKill is about as long as the drill takes with its start and its end.
const latestKill = 20 * time.Second

// A run on kind that is killed with all of its processes at any moment leaves what
// clean removes, and the same run then passes.
func TestKilledOnKind(t *testing.T) {
	if *kills == 0 {
		t.Skip("-kills says how many")
	}
	c, err := kindup.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k, err := kube.New(c.Kubeconfig, c.Context)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(*killSeed, 0))
	for n := range *kills {
		at := time.Duration(r.Int64N(int64(latestKill)))
		if n < *killFrom {
			continue
		}
		t.Logf("%d: killed after %v", n, at)
		kill(t, at)
		if out, err := faildrill(t, "clean").CombinedOutput(); err != nil {
			t.Fatalf("clean: %v\n%s", err, out)
		}
		if left := remains(t, k); len(left) > 0 {
			t.Fatalf("clean left %q", left)
		}
		again(t)
		if left := remains(t, k); len(left) > 0 {
			t.Fatalf("a run that ended well left %q", left)
		}
	}
}

// faildrill is the program beside this one, at the top of the repository.
func faildrill(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(filepath.Dir(self), "faildrill"), args...)
	cmd.Dir = ".."
	return cmd
}

// kill starts the run as the first of a process group, and kills the group.
func kill(t *testing.T, after time.Duration) {
	t.Helper()
	cmd := faildrill(t, "run", "--on", "kind", "--dir", filepath.Join(t.TempDir(), "killed"), killed)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	_ = cmd.Wait()                                      // it was killed
}

// mostPlays is how often a run is played that the machine was too slow for.
const mostPlays = 3

// again plays the same run, which passes.
func again(t *testing.T) {
	t.Helper()
	for n := 1; ; n++ {
		cmd := faildrill(t, "run", "--on", "kind", "--dir", filepath.Join(t.TempDir(), "again"), killed)
		out, err := cmd.CombinedOutput()
		if err == nil {
			return
		}
		if n == mostPlays || cmd.ProcessState.ExitCode() != inconclusive || !strings.Contains(string(out), "the machine was too slow") {
			t.Fatalf("the same run after it: %v\n%s", err, out)
		}
		t.Log("the machine was too slow for the same run; once more")
	}
}

// inconclusive is the code of a run that says neither.
const inconclusive = 4

// remains is what runs left: namespaces that nobody has ended, containers, journals.
func remains(t *testing.T, k *kube.Client) []string {
	t.Helper()
	ns, err := k.Core.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{LabelSelector: incluster.RunLabel})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for i := range ns.Items {
		if ns.Items[i].DeletionTimestamp != nil {
			continue // Kubernetes takes it away
		}
		left = append(left, "namespace "+ns.Items[i].Name)
	}
	out, err := exec.CommandContext(t.Context(), "docker", "ps", "--all", "--quiet", "--filter", "label="+regions.RunLabel).Output()
	if err != nil {
		t.Fatal(err)
	}
	left = append(left, strings.Fields(string(out))...)
	d, err := journal.Default()
	if err != nil {
		t.Fatal(err)
	}
	js, err := d.Left()
	if err != nil {
		t.Fatal(err)
	}
	if len(js) > 0 {
		left = append(left, strconv.Itoa(len(js))+" journals")
	}
	return slices.Compact(left)
}
