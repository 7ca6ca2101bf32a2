package localenvoy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run on Envoy is judged again from its folder to the byte, and played again from
// it alone by the same programs.
func TestReplay(t *testing.T) {
	t.Parallel()
	planes(t, func(t *testing.T, m *machine, plane string) {
		m.drill("2200ms")
		if s := m.start(m.run(plane, "--seed", "5")).wait(); s.code != 0 {
			t.Fatalf("exit %d, %s %s %s", s.code, s.run.Verdict, s.run.Reason, s.stderr)
		}
		if err := os.Remove(filepath.Join(m.dir, "drill.yaml")); err != nil {
			t.Fatal(err)
		}
		verdict := filepath.Join(m.dir, "runs/small/verdict.json")
		before, err := os.ReadFile(verdict)
		if err != nil {
			t.Fatal(err)
		}
		s := m.start(m.command("replay", "-o", "json", "runs")).wait()
		if s.code != 0 || s.run.Backend != "envoy" || strings.Contains(s.stderr, "not what is stored") {
			t.Errorf("judged again: exit %d, on %s, %s", s.code, s.run.Backend, s.stderr)
		}
		if after, err := os.ReadFile(verdict); err != nil || string(after) != string(before) {
			t.Errorf("the verdict changed, or is gone: %v", err)
		}
		s = m.start(m.command("replay", "--play", "-o", "json", "--dir", "runs2", "runs/small")).wait()
		if s.code != 0 || s.run.Backend != "envoy" || s.run.Seed != 5 {
			t.Errorf("played again: exit %d, on %s, seed %d, %s %s %s", s.code, s.run.Backend, s.run.Seed, s.run.Verdict, s.run.Reason, s.stderr)
		}
		was, err := os.ReadFile(filepath.Join(m.dir, "runs/small/play.json"))
		if err != nil {
			t.Fatal(err)
		}
		is, err := os.ReadFile(filepath.Join(m.dir, "runs2/small/play.json"))
		if err != nil || string(is) != string(was) || !strings.Contains(string(is), plane) {
			t.Errorf("played by %s (%v), and before by %s", is, err, was)
		}
	})
}
