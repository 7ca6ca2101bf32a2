// Command killlist breaks the rules of faildrill one at a time, and asks the
// tests that are named for it to notice.
//
//	go run ./hack/killlist                     all of them
//	go run ./hack/killlist -only envoy/decay   those whose rule and name match
//	go run ./hack/killlist -list
//	go run ./hack/killlist -who -only NEW      which tests of its packages notice it
//
// The mutants are data, in mutants/*.txt:
//
//	mutant envoy/threshold-equality at-least: failures beyond the threshold set it off again
//	in harness/engine/outlier/detector.go
//	-	if *n == d.threshold(t) {
//	+	if *n >= d.threshold(t) {
//	killed-by ./harness/engine/outlier TestTranscripts/double_threshold
//
// What follows a minus is in the file exactly once, as a line, as several, or as
// a part of one; what follows the plus replaces it. Another minus after a plus is
// another edit of the same file. The change is compiled with -overlay, so that no
// file of the checkout is touched. A mutant is killed when every test that it
// names fails; without it, each of them passes. A mutant that does not compile,
// or whose text has changed, is an error.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("only", "", "run the mutants whose rule and name match this expression")
	list := flag.Bool("list", false, "list the mutants and what kills them")
	jobs := flag.Int("j", min(2, runtime.NumCPU()), "how many mutants at a time")
	who := flag.Bool("who", false, "run all the tests of the packages, and list those that fail")
	flag.Parse()
	if err := run(*only, *list, *who, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(only string, list, who bool, jobs int) error {
	started := time.Now()
	root, err := rootDir()
	if err != nil {
		return err
	}
	ms, err := load(filepath.Join(root, "hack", "killlist", "mutants"))
	if err != nil {
		return err
	}
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	ms = slices.DeleteFunc(ms, func(m mutant) bool { return !chosen.MatchString(m.id()) })
	if list {
		for i := range ms {
			fmt.Printf("%s: %s\n", ms[i].id(), ms[i].why)
			for _, k := range ms[i].killers {
				fmt.Printf("    %s %s\n", k.pkg, k.test)
			}
		}
		return nil
	}
	tmp, err := os.MkdirTemp("", "killlist")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r := runner{root: root, tmp: tmp, who: who}
	if !who {
		if err := r.unmutated(ms); err != nil {
			return err
		}
	}
	return r.all(ms, jobs, started)
}

// rootDir is where go.mod is.
func rootDir() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

type runner struct {
	root, tmp string
	who       bool
}

// all runs the mutants, jobs at a time, and prints a line for each.
func (r *runner) all(ms []mutant, jobs int, started time.Time) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	killed, survived, broken := 0, 0, 0
	next := make(chan int)
	for range max(1, jobs) {
		wg.Go(func() {
			for i := range next {
				begin := time.Now()
				told, err := r.mutate(i, &ms[i])
				mu.Lock()
				what := "killed"
				switch {
				case err != nil:
					what = "BROKEN"
					broken++
				case (len(told) == 0) == r.who:
					what = "SURVIVED"
					survived++
				default:
					killed++
				}
				fmt.Printf("%-8s %4.1f s  %s\n", what, time.Since(begin).Seconds(), ms[i].id())
				switch {
				case err != nil:
					fmt.Println(err)
				case r.who:
					fmt.Println("    " + strings.Join(told, "\n    "))
				case len(told) > 0:
					fmt.Printf("%s: %s\nnoticed by none of: %s\n", ms[i].at, ms[i].why, strings.Join(told, ", "))
				}
				mu.Unlock()
			}
		})
	}
	for i := range ms {
		next <- i
	}
	close(next)
	wg.Wait()
	fmt.Printf("%d mutants, %d killed, %d survived in %.0f s\n", len(ms), killed, survived, time.Since(started).Seconds())
	if broken > 0 {
		return fmt.Errorf("%d mutants are stale or do not compile", broken)
	}
	if survived > 0 {
		return fmt.Errorf("%d mutants survived: sharpen the tests that they name, or name others", survived)
	}
	return nil
}

// unmutated runs every test that a mutant names, once and without a mutant: all pass.
func (r *runner) unmutated(ms []mutant) error {
	var order []string
	tests := map[string][]string{}
	for i := range ms {
		for _, k := range ms[i].killers {
			if !slices.Contains(order, k.pkg) {
				order = append(order, k.pkg)
			}
			if !slices.Contains(tests[k.pkg], k.test) {
				tests[k.pkg] = append(tests[k.pkg], k.test)
			}
		}
	}
	for i, pkg := range order {
		bin, err := r.compile(filepath.Join(r.tmp, fmt.Sprintf("plain%d.test", i)), pkg, "")
		if err != nil {
			return err
		}
		out, err := r.test(bin, pkg, tests[pkg])
		if err != nil {
			return fmt.Errorf("%s: the tests fail without a mutant: %w\n%s", pkg, err, out)
		}
		for _, t := range tests[pkg] {
			if !says(out, "PASS", t) {
				return fmt.Errorf("%s %s: there is no such test, or it was skipped", pkg, t)
			}
		}
	}
	return nil
}

// mutate runs one mutant. It returns the tests that passed although they should
// not; under -who those that failed, of all there are.
func (r *runner) mutate(i int, m *mutant) (told []string, err error) {
	dir := filepath.Join(r.tmp, fmt.Sprint(i))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	overlay, err := r.overlay(dir, m)
	if err != nil {
		return nil, err
	}
	order, tests := m.packages()
	for _, pkg := range order {
		bin, err := r.compile(filepath.Join(dir, "mutant.test"), pkg, overlay)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.at, err)
		}
		if r.who {
			out, _ := r.test(bin, pkg, nil)
			for _, f := range failed.FindAllSubmatch(out, -1) {
				told = append(told, pkg+" "+string(f[1]))
			}
			continue
		}
		out, err := r.test(bin, pkg, tests[pkg])
		crashed := bytes.Contains(out, []byte("\npanic: "))
		for _, t := range tests[pkg] {
			if err == nil || !crashed && !says(out, "FAIL", t) {
				told = append(told, pkg+" "+t)
			}
		}
	}
	return told, nil
}

// overlay writes the changed file and the JSON that puts it in the place of its own.
func (r *runner) overlay(dir string, m *mutant) (string, error) {
	file := filepath.Join(r.root, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed, err := m.apply(string(text))
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(to, []byte(changed), 0o600); err != nil {
		return "", err
	}
	spec, err := json.Marshal(map[string]any{"Replace": map[string]string{file: to}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, spec, 0o600)
}

// compile builds the test binary of a package.
func (r *runner) compile(bin, pkg, overlay string) (string, error) {
	args := []string{"test", "-c", "-ldflags=-s -w", "-gcflags=-N -l", "-o", bin} // half the time
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = r.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not compile: %w\n%s", pkg, err, out)
	}
	return bin, nil
}

// patience is how long the tests of a mutant may take; one that hangs is killed.
const patience = time.Minute

// test runs some tests of a compiled package in its folder.
func (r *runner) test(bin, pkg string, tests []string) ([]byte, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*patience)
	defer stop()
	dir := filepath.Join(r.root, pkg)
	args := []string{"-test.v", "-test.count=1", "-test.timeout=" + patience.String(), "-test.run", pattern(tests)}
	if usesRapid(dir) {
		args = append(args, "-rapid.nofailfile") // it would leave what failed in the checkout
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

var failed = regexp.MustCompile(`--- FAIL: (\S+)`)

// says reports whether the output has the verdict of a test.
func says(out []byte, verdict, test string) bool {
	return bytes.Contains(out, []byte("--- "+verdict+": "+test+" ("))
}

// pattern selects exactly these tests. Go matches what is between slashes on its
// own, so that the alternatives of every depth are gathered: a few goldens more may run.
func pattern(tests []string) string {
	var depth [][]string
	whole := 1 << 30 // below a test that is meant as a whole nothing is left out
	for _, t := range tests {
		parts := strings.Split(t, "/")
		whole = min(whole, len(parts))
		for i, p := range parts {
			if i == len(depth) {
				depth = append(depth, nil)
			}
			if q := regexp.QuoteMeta(p); !slices.Contains(depth[i], q) {
				depth[i] = append(depth[i], q)
			}
		}
	}
	var out []string
	for _, alternatives := range depth[:min(whole, len(depth))] {
		out = append(out, "^("+strings.Join(alternatives, "|")+")$")
	}
	return strings.Join(out, "/")
}

// usesRapid reports whether the tests of a folder draw random input.
func usesRapid(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	return slices.ContainsFunc(files, func(f string) bool {
		text, err := os.ReadFile(f)
		return err == nil && bytes.Contains(text, []byte(`"pgregory.net/rapid"`))
	})
}
