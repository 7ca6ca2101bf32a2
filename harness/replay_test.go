package harness_test

import (
	"context"
	"errors"
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
	"github.com/faildrill/faildrill/harness/schedule"
)

// everyFile is what is in a folder, by name.
func everyFile(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		files[p] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every drill that comes with the program, and the drills of plain Istio YAML: judged
// again from its folder alone it says the same to the byte, the folder stays as it is,
// and the drill in it is the one that was played, at full length and faster.
func TestReplay(t *testing.T) {
	root := t.TempDir()
	for i, d := range everything(t) {
		if len(harness.Rejections(d.Compile())) > 0 {
			continue // it is not played, and has nothing to replay
		}
		scale := 1.0
		if i%3 == 0 {
			scale = harness.FastestScale(d, 2, 10)
		}
		was := stored(t, root, d, scale)
		dir := filepath.Join(root, "elsewhere") // a folder can be moved
		if err := os.Rename(was, dir); err != nil {
			t.Fatal(err)
		}
		before := everyFile(t, dir)
		r, err := harness.Replay(dir)
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		if !r.Same || r.Stored != r.Verdict {
			t.Errorf("%s: not the verdict that is stored", d.Name)
		}
		s, err := harness.Reload(dir)
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		if s.Scale != scale || strings.Join(s.Flags, " ") != "--on model" || s.Drill.Name != d.Name || s.Drill.Seed != d.Seed {
			t.Errorf("%s: %q, seed %d, at scale %v with %v", d.Name, s.Drill.Name, s.Drill.Seed, s.Scale, s.Flags)
		}
		if diff := cmp.Diff(before, everyFile(t, dir)); diff != "" {
			t.Errorf("%s: the folder changed, before - after +\n%s", d.Name, diff)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// broken is a backend that breaks in the middle.
type broken struct{ model.Backend }

func (broken) Name() string { return "broken" }

func (broken) Flags() string { return "--with care" }

func (broken) Setting() string { return "on thin ice" }

func (broken) Play(_ context.Context, s *schedule.Schedule, sink backend.Sink) error {
	sink.Event(engine.RunOf(s, "broken"))
	return errors.New("the floor gave way")
}

// What broke underneath is in the folder, too.
func TestReplayOfWhatBroke(t *testing.T) {
	f, err := harness.NewFolder(t.TempDir(), "run")
	if err != nil {
		t.Fatal(err)
	}
	d := drills(t, harness.Options{}, invalidPort)[0]
	p := harness.Run(t.Context(), d, broken{}, harness.RunOptions{Folder: f})
	r, err := harness.Replay(f.Path())
	if err != nil || !r.Same || r.Verdict != result.Error || p.Reason != r.Reason || !strings.Contains(r.Reason, "the floor gave way") || r.Setting != "on thin ice" {
		t.Errorf("%v, %s %q; the run said %s %q (same: %v)", err, r.Verdict, r.Reason, p.Verdict, p.Reason, r.Same)
	}
	s, err := harness.Reload(f.Path())
	if err != nil || strings.Join(s.Flags, " ") != "--on broken --with care" {
		t.Errorf("played with %v, %v", s.Flags, err)
	}
}

// Replay wants the folder whole: it says which file is not.
func TestReplayOfADamagedFolder(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 1)
	for _, name := range append([]string{"verdict.json", "play.json"}, needed...) {
		path := filepath.Join(dir, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both := func() error {
			if _, err := harness.Replay(dir); err != nil {
				return err
			}
			_, err := harness.Reload(dir)
			return err
		}
		for damage, text := range map[string]string{
			"empty": "", "cut in half": string(good[:len(good)/2+3]), "another version": strings.ReplaceAll(string(good), "/v1", "/v7"),
		} {
			write(t, path, text)
			if err := both(); !explained(err) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s %s: got %v; want what is wrong, and where", name, damage, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := both(); !explained(err) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is missing: got %v", name, err)
		}
		write(t, path, string(good))
	}
}
