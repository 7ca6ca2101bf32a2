// Package e2e plays the scenarios on the backends that this machine can run.
//
// The specs are generated from scenarios x backends, with labels for topic and
// backend. All drills are played side by side before the first spec, so that
// the suite takes about as long as its longest drill; a spec looks at one
// stored result. Without -e2e only the model plays: that is what `go test ./...`
// does; `make e2e` plays everything.
package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

var (
	all      = flag.Bool("e2e", false, "play on every backend that this machine can run, not on the model alone")
	runs     = flag.String("runs", "", "folder for the runs (default: a temporary one)")
	parallel = flag.Int("drills", 8, "drills side by side")
)

// suite is a backend and how drills are played on it.
type suite struct {
	backend backend.Backend
	scales  []float64 // to choose from; the model says which keeps the story
	why     string    // it does not run here; empty: it does
}

func suites() []suite {
	s := []suite{{backend: model.Backend{}}, {backend: inproc.New(), scales: []float64{2, 5}}}
	if !*all {
		s[1].why = "only the model plays without -e2e"
	}
	return s
}

// spec is one scenario on one backend, with what came out.
type spec struct {
	scenario string
	topic    string
	suite    suite
	drill    *schedule.Drill
	options  harness.RunOptions
	attempts []harness.Played
}

func (s *spec) name() string { return s.scenario + " on " + s.suite.backend.Name() }

func TestScenarios(t *testing.T) {
	specs, err := load(filepath.Join("..", "scenarios"))
	if err != nil {
		t.Fatalf("loading the scenarios:\n%v", err)
	}
	known, err := knownDivergences(filepath.Join("..", "scenarios", "known-divergences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites() {
		if s.why != "" {
			fmt.Printf("%s: not run (%s)\n", s.backend.Name(), s.why)
		} else {
			fmt.Printf("%s: runs\n", s.backend.Name())
		}
	}
	RegisterFailHandler(Fail)
	BeforeSuite(func(ctx SpecContext) { play(ctx, specs, root(t)) })
	Describe("scenario", func() {
		for _, s := range specs {
			It(s.name(), Label("topic:"+s.topic, "backend:"+s.suite.backend.Name()), func() { s.check(known[s.name()]) })
		}
	})
	ReportAfterSuite("summary", func(r Report) { summary(r, specs) })
	RunSpecs(t, "faildrill")
}

// summary prints a line a backend, with the runs that needed more than one attempt.
func summary(r Report, specs []*spec) {
	passed, failed, skipped := 0, 0, 0
	for _, s := range r.SpecReports.WithLeafNodeType(types.NodeTypeIt) {
		switch {
		case s.State.Is(types.SpecStatePassed):
			passed++
		case s.State.Is(types.SpecStateSkipped):
			skipped++
		default:
			failed++
		}
	}
	for _, s := range specs {
		if n := len(s.attempts); n > 1 {
			fmt.Printf("\n%s: %s on attempt %d, before: %s", s.name(), s.attempts[n-1].Verdict, n, s.attempts[0].Reason)
		}
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
}

// load makes the drills of every scenario for every backend that runs.
func load(path string) ([]*spec, error) {
	var specs []*spec
	for _, s := range suites() {
		if s.why != "" {
			continue
		}
		inputs, err := scenario.Load(scenario.Disk(), []string{path})
		if err != nil {
			return nil, err
		}
		drills, err := harness.Drills(inputs, harness.Options{})
		if err != nil {
			return nil, err
		}
		for _, d := range drills {
			specs = append(specs, &spec{scenario: d.Name, topic: d.Input.Scenario.Metadata.Labels["topic"], suite: s, drill: d})
		}
	}
	if len(specs) == 0 {
		return nil, fmt.Errorf("no scenario below %s", path)
	}
	return specs, nil
}

func root(t *testing.T) string {
	if *runs == "" {
		return t.TempDir()
	}
	return *runs
}

// play plays all drills, a number of them side by side.
func play(ctx context.Context, specs []*spec, root string) {
	GinkgoHelper()
	Expect(harness.NewRoot(root)).To(Succeed())
	slots := make(chan struct{}, *parallel)
	var wg sync.WaitGroup
	for _, s := range specs {
		folder, err := harness.NewFolder(root, s.name())
		Expect(err).NotTo(HaveOccurred())
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.options = harness.RunOptions{Folder: folder, Scale: harness.FastestScale(s.drill, s.suite.scales...)}
			s.attempts = harness.RunSteadily(ctx, s.drill, s.suite.backend, s.options)
		})
	}
	wg.Wait()
	// What all the others were too much for is played alone.
	for _, s := range specs {
		if n := len(s.attempts); s.attempts[n-1].TooSlow() {
			s.attempts = append(s.attempts, harness.RunSteadily(ctx, s.drill, s.suite.backend, s.options)...)
		}
	}
}

// check is the spec: the last attempt passes, or diverges as it is known to.
func (s *spec) check(known string) {
	GinkgoHelper()
	p := s.attempts[len(s.attempts)-1]
	AddReportEntry("played", ReportEntryVisibilityFailureOrVerbose, fmt.Sprintf("attempt %d of %d, %v times as fast, profile istio %s envoy %s, seed %d",
		len(s.attempts), len(s.attempts), p.Scale, p.Profile.Istio, p.Profile.Envoy, p.Seed))
	if p.Verdict == result.Skip {
		Skip(p.Reason)
	}
	if known != "" {
		Expect(p.Verdict).NotTo(Equal(result.Pass), "it is known to diverge (%s), and passes: remove its line", known)
		return
	}
	Expect(p.Verdict).To(Equal(result.Pass), text(p))
}

func text(p harness.Played) string {
	var b strings.Builder
	if p.Err != nil {
		fmt.Fprintln(&b, p.Err)
	}
	err := report.Runs(&b, report.Style{}, []result.Run{p.Run}, func(int) (*trace.Trace, *trace.Trace) { return p.Prediction, p.Observed })
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// knownDivergences reads SCENARIO on BACKEND: REASON.
func knownDivergences(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known := map[string]string{}
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("%s:%d: expected SCENARIO on BACKEND: REASON", path, n)
		}
		known[name] = reason
	}
	return known, s.Err()
}
