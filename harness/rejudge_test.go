package harness_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// stored plays a drill on the model and keeps it.
func stored(t testing.TB, root string, d *schedule.Drill, scale float64) string {
	t.Helper()
	f, err := harness.NewFolder(root, d.Name)
	if err != nil {
		t.Fatal(err)
	}
	p := harness.Run(context.Background(), d, model.Backend{}, harness.RunOptions{Scale: scale, Folder: f})
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	return f.Path()
}

// Judging a stored run again says the same, to the byte: of every drill that
// comes with the program, and of plain Istio YAML.
func TestRejudgeSaysTheSame(t *testing.T) {
	root := t.TempDir()
	for _, d := range everything(t) {
		if len(harness.Rejections(d.Compile())) > 0 {
			continue // it is not played, and has nothing to judge again
		}
		dir := stored(t, root, d, 1)
		before, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := harness.Rejudge(dir); err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		after, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("%s: before - after +\n%s", d.Name, cmp.Diff(string(before), string(after)))
		}
	}
}

func TestRejudgeOfAScaledRun(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 10)
	before := verdictOf(t, dir)
	if _, err := harness.Rejudge(dir); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, verdictOf(t, dir)); d != "" {
		t.Errorf("before - after +\n%s", d)
	}
}

// A corrected expectation needs no new run.
func TestRejudgeReadsTheExpectationsOfTheFolder(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 1)
	name := filepath.Join(dir, "scenario.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, strings.Replace(string(text), "10..18", "10..17", 1))
	p, err := harness.Rejudge(dir)
	if err != nil || p.Verdict != result.Fail || verdictOf(t, dir).Verdict != result.Fail {
		t.Errorf("%s %v", p.Verdict, err)
	}
}

func TestRejudgeWithoutAVerdict(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 1)
	if err := os.Remove(filepath.Join(dir, "verdict.json")); err != nil {
		t.Fatal(err)
	}
	if p, err := harness.Rejudge(dir); err != nil || p.Verdict != result.Pass {
		t.Errorf("%s %v", p.Verdict, err)
	}
}

// needed are the files that a run cannot be judged without.
var needed = []string{"scenario.yaml", "schedule.json", "prediction.jsonl", "trace.jsonl", "config/0.yaml", "config/1.yaml"}

func TestRejudgeOfADamagedFolder(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 1)
	for _, name := range needed {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		half := good[:len(good)/2+3]
		for damage, text := range map[string][]byte{
			"empty": nil, "cut in half": half, "not text": []byte("\x00\xff\x00"), "another": []byte(`{"schema": "x"}` + "\n"),
			"a bit off": bytes.Replace(good, []byte("1"), []byte("{"), 3),
		} {
			write(t, path, string(text))
			if _, err := harness.Rejudge(dir); err == nil && damage == "cut in half" && strings.HasSuffix(name, ".yaml") {
				continue // half of a YAML file can be a whole one
			} else if !explained(err) {
				t.Errorf("%s %s: got %v; want what is wrong with the folder", name, damage, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := harness.Rejudge(dir); !explained(err) {
			t.Errorf("%s is missing: got %v", name, err)
		}
		write(t, path, string(good))
	}
	if _, err := harness.Rejudge(dir); err != nil {
		t.Errorf("whole again: %v", err)
	}
	other := stored(t, t.TempDir(), drills(t, harness.Options{}, "scenarios/outlier/merge-window.yaml")[0], 1)
	trace, err := os.ReadFile(filepath.Join(other, "trace.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trace.jsonl", "prediction.jsonl"} {
		good, _ := os.ReadFile(filepath.Join(dir, name))
		write(t, filepath.Join(dir, name), string(trace))
		if _, err := harness.Rejudge(dir); !errors.Is(err, harness.ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("the %s of another drill: got %v", name, err)
		}
		write(t, filepath.Join(dir, name), string(good))
	}
}

// explained reports whether the error says what is wrong with the folder.
func explained(err error) bool {
	var ps scenario.Problems
	return errors.Is(err, harness.ErrDamaged) || errors.As(err, &ps)
}

func TestRunFolders(t *testing.T) {
	root := t.TempDir()
	ds := drills(t, harness.Options{}, "fixtures/recipes/external-failover")
	for _, d := range ds {
		stored(t, root, d, 1)
	}
	dirs, err := harness.RunFolders(root)
	if err != nil || len(dirs) != len(ds) {
		t.Errorf("got %v, %v; want %d folders", dirs, err, len(ds))
	}
	one, err := harness.RunFolders(dirs[0])
	if err != nil || len(one) != 1 || one[0] != dirs[0] {
		t.Errorf("got %v, %v; want the folder itself", one, err)
	}
	for _, path := range []string{filepath.Join(root, "nowhere"), t.TempDir()} {
		if _, err := harness.RunFolders(path); !errors.Is(err, harness.ErrDamaged) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestNewRoot(t *testing.T) {
	dir := t.TempDir()
	fresh := filepath.Join(dir, "a", "b")
	for range 2 { // the second time it is ours
		if err := harness.NewRoot(fresh); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := harness.NewFolder(fresh, "run"); err != nil {
		t.Fatal(err)
	}
	if err := harness.NewRoot(fresh); err != nil {
		t.Errorf("with a run in it: %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := harness.NewRoot(empty); err != nil {
		t.Errorf("an empty one: %v", err)
	}

	theirs := filepath.Join(dir, "theirs")
	if err := os.Mkdir(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(theirs, "thesis.txt"), "years of work")
	file := filepath.Join(dir, "file")
	write(t, file, "")
	bad := map[string]string{"someone else's": theirs, "a file": file, "below a file": filepath.Join(file, "runs")}
	if os.Geteuid() != 0 {
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		bad["read-only"], bad["below a read-only one"] = locked, filepath.Join(locked, "runs")
	}
	for what, path := range bad {
		if err := harness.NewRoot(path); !errors.Is(err, harness.ErrFolder) {
			t.Errorf("%s: got %v; want ErrFolder", what, err)
		}
	}
	if left, _ := os.ReadDir(theirs); len(left) != 1 {
		t.Errorf("someone else's folder now holds %v", left)
	}
}

func TestNewFolderReplacesOnlyItsOwn(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "other"), "kept")
	for _, name := range []string{"run", "", "..", "___", "日本", "a/b", strings.Repeat("x", 500)} {
		f, err := harness.NewFolder(root, name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if filepath.Dir(f.Path()) != root {
			t.Errorf("%q: the folder is %s, not below %s", name, f.Path(), root)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "other")); err != nil {
		t.Error("a new folder removed its neighbour")
	}
	write(t, filepath.Join(root, "run", "old"), "")
	if _, err := harness.NewFolder(root, "run"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "run", "old")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an earlier run of the same name is still there")
	}
}

// What may be in a run folder, judge survives.
func FuzzRejudge(f *testing.F) {
	dir := stored(f, f.TempDir(), drills(f, harness.Options{}, invalidPort)[0], 1)
	good := map[string][]byte{}
	for i, name := range needed {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		good[name] = b
		f.Add(uint8(i), b)
	}
	for _, swap := range []struct{ name, old, with string }{
		{"schedule.json", `"config": 1`, `"config": 9`},
		{"schedule.json", `"interval": 15000000000`, `"interval": 0`},
		{"schedule.json", `"priority": 1`, `"priority": 4000000000`},
		{"schedule.json", `"duration": 20`, `"duration": 1e300`},
		{"schedule.json", `"port": 80`, `"port": 0`},
		{"schedule.json", `"overprovisioningFactor": 140`, `"overprovisioningFactor": 0`},
		{"schedule.json", `"localities": [`, `"x": [`},
		{"config/0.yaml", `interval: 15s`, `interval: 0s`},
		{"trace.jsonl", `"kind":"config"`, `"kind":"fault"`},
		{"trace.jsonl", `"host":0`, `"host":1`},
		{"trace.jsonl", `"n":1`, `"n":-7`},
		{"trace.jsonl", `"at":12`, `"at":-12`},
		{"trace.jsonl", `"request":3`, `"request":-3`},
	} {
		for i, name := range needed {
			if name == swap.name {
				f.Add(uint8(i), bytes.ReplaceAll(good[name], []byte(swap.old), []byte(swap.with)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		dir := t.TempDir()
		damaged := needed[int(which)%len(needed)]
		if err := os.Mkdir(filepath.Join(dir, "config"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, b := range good {
			if name == damaged {
				b = text
			}
			write(t, filepath.Join(dir, name), string(b))
		}
		if _, err := harness.Rejudge(dir); err != nil && !explained(err) {
			t.Errorf("%s: %v; want what is wrong with the folder", damaged, err)
		}
	})
}

// refusing is a backend whose proxy refuses the configuration.
type refusing struct{ model.Backend }

func (refusing) Name() string { return "refusing" }

func (refusing) Play(_ context.Context, s *schedule.Schedule, sink backend.Sink) error {
	sink.Event(engine.RunOf(s, "refusing"))
	return fmt.Errorf("starting: %w", &backend.RejectedError{By: "Envoy", Reason: "no such filter"})
}

// What a proxy refuses is an outcome, as what the translation knows to be refused:
// nothing broke, and judging again says the same.
func TestRefusedByTheProxy(t *testing.T) {
	for name, c := range map[string]struct {
		expect  []scenario.Expectation
		verdict result.Verdict
	}{
		"not expected": {[]scenario.Expectation{{Name: "fails over", Outcome: string(result.FailsOver)}}, result.Error},
		"expected":     {[]scenario.Expectation{{Name: "refused", Outcome: string(result.Rejected)}}, result.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			d := *drills(t, harness.Options{}, invalidPort)[0]
			in, sc := *d.Input, *d.Input.Scenario
			sc.Spec.Expect = c.expect
			in.Scenario = &sc
			d.Input = &in
			f, err := harness.NewFolder(t.TempDir(), d.Name)
			if err != nil {
				t.Fatal(err)
			}
			p := harness.Run(t.Context(), &d, refusing{}, harness.RunOptions{Folder: f})
			if p.Err != nil || p.Outcome != result.Rejected || p.Verdict != c.verdict || !strings.Contains(p.Reason, "Envoy refuses the configuration: no such filter") {
				t.Errorf("got %s, %s, %q, %v", p.Outcome, p.Verdict, p.Reason, p.Err)
			}
			before := verdictOf(t, f.Path())
			if _, err := harness.Rejudge(f.Path()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, verdictOf(t, f.Path())); d != "" {
				t.Errorf("before - after +\n%s", d)
			}
		})
	}
}

// doubtful is a backend on which two ways of looking at the endpoints differ.
type doubtful struct{ model.Backend }

func (b doubtful) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	sink.Event(trace.Note{Text: trace.TwoViews + "one says FAILED"})
	return b.Backend.Play(ctx, s, sink)
}

func TestTwoViewsOfTheEndpoints(t *testing.T) {
	d := drills(t, harness.Options{}, invalidPort)[0]
	p := harness.Run(t.Context(), d, doubtful{}, harness.RunOptions{})
	if p.Verdict != result.Inconclusive || !strings.Contains(p.Reason, "one says FAILED") {
		t.Errorf("got %s, %q", p.Verdict, p.Reason)
	}
}
