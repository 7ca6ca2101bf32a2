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
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/backend/kindcluster"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

var (
	all      = flag.Bool("e2e", false, "play on every backend that this machine can run, not on the model alone")
	require  = flag.String("require", "", "backends that have to run, as envoy,inproc, also with a release, as envoy@1.36: it is a failure if this machine cannot")
	runs     = flag.String("runs", "", "folder for the runs (default: a temporary one)")
	reports  = flag.String("reports", "", "folder for report.html, report.md and results.json (default: none)")
	only     = flag.String("only", "", "backends to play on, as envoy,kind (default: all that run here)")
	scenes   = flag.String("scenarios", "scenarios", "scenarios to play, as paths below the repository, with commas")
	parallel = flag.Int("drills", 32, "drills side by side, at most")
	busy     = flag.Float64("busy", 0.65, "how much of the machine's cores drills may take together, by the estimate that is made of each")
)

// suite is a backend and how drills are played on it.
type suite struct {
	name   string
	on     func(*schedule.Drill) (*schedule.Drill, backend.Backend, error)
	scales []float64     // to choose from; the model says which keeps the story
	what   string        // the programs that play, if any
	envoys []string      // their releases, the newest first
	why    string        // it does not run here; empty: it does
	share  float64       // of a core that a drill takes for as long as it lasts
	pace   time.Duration // between the starts of two drills
	after  bool          // it plays when the others have played: it has a machine of its own to start
}

func fixed(b backend.Backend) func(*schedule.Drill) (*schedule.Drill, backend.Backend, error) {
	return func(d *schedule.Drill) (*schedule.Drill, backend.Backend, error) { return d, b, nil }
}

// suites are the backends.
var suites = sync.OnceValue(func() []suite {
	s := []suite{
		{name: "model", on: fixed(model.Backend{})},
		{name: "inproc", on: fixed(inproc.New()), scales: []float64{2, 5}},
		onEnvoy("envoy", localenvoy.Istiod),
		onEnvoy("envoy-builtin", localenvoy.Builtin),
		onKind(),
		onCluster(),
	}
	for i := range s {
		switch {
		case i > 0 && !*all:
			s[i].why = "only the model plays without -e2e"
		case *only != "" && !slices.Contains(strings.Split(*only, ","), s[i].name):
			s[i].why = "not asked for"
		}
	}
	return s
})

// onEnvoy is real Envoy with a control plane: the release of the cache that fits
// each drill.
func onEnvoy(name string, plane localenvoy.ControlPlane) suite {
	s := suite{name: name, pace: starting}
	c, err := localenvoy.Find(plane)
	if err != nil {
		s.why = err.Error()
		return s
	}
	c.Istioctl = localenvoy.Program{} // a second look at every table has tests of its own
	for _, e := range c.Envoys {
		s.envoys = append(s.envoys, e.Version)
	}
	s.what = "Envoy " + strings.Join(s.envoys, ", ")
	if plane == localenvoy.Istiod {
		s.what += ", istiod " + c.Istiod.Version
	}
	if err := sandbox.Check(); err != nil {
		if plane == localenvoy.Istiod {
			s.why = err.Error()
			return s
		}
		c.Loopback = localenvoy.OwnLoopback()
		s.what += ", on the loopback interface"
	}
	if _, err := localenvoy.Live(); err != nil {
		s.why = err.Error()
		return s
	}
	s.on = c.Play
	return s
}

// onKind is the kind cluster, if it is up.
func onKind() suite {
	s := suite{name: kindcluster.Name, share: kindShare, pace: startingPod, after: true}
	b, err := kindcluster.New()
	if err != nil {
		s.why = err.Error()
		return s
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if s.what, err = b.Status(ctx); err != nil {
		s.why = err.Error()
		return s
	}
	s.envoys = []string{b.Envoy()}
	s.on = func(d *schedule.Drill) (*schedule.Drill, backend.Backend, error) {
		d, err := b.Live(d)
		return d, b, err
	}
	return s
}

// clusterVariable names a namespace of a cluster of somebody's own, as CONTEXT/NAMESPACE, and
// clusterProfile the releases that run there, where the proxy's image does not tell.
const (
	clusterVariable = "FAILDRILL_E2E_CONTEXT"
	clusterProfile  = "FAILDRILL_E2E_PROFILE"
)

// onCluster is that namespace, if one is named. It has one drill at a time.
func onCluster() suite {
	s := suite{name: usercluster.Name, share: kindShare, after: true}
	where := os.Getenv(clusterVariable)
	slash := strings.LastIndex(where, "/") // a context may have some itself
	if slash < 0 {
		s.why = "$" + clusterVariable + " names no CONTEXT/NAMESPACE"
		return s
	}
	set := usercluster.Settings{Context: where[:slash], Namespace: where[slash+1:], Profile: os.Getenv(clusterProfile)}
	named, err := istio.ParseProfile(cmp.Or(set.Profile, istio.DefaultProfile().Istio))
	if err != nil {
		s.why = fmt.Sprintf("$%s: %v", clusterProfile, err)
		return s
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	b, err := usercluster.New(ctx, set, usercluster.Smallest)
	if err != nil {
		s.why = err.Error()
		return s
	}
	s.what = "Kubernetes " + b.Report().Kubernetes
	s.on = func(d *schedule.Drill) (*schedule.Drill, backend.Backend, error) {
		if set.Profile != "" && d.Profile == istio.DefaultProfile() { // it is about no release
			own := *d
			own.Profile = named
			d = &own
		}
		d, err := b.Live(d)
		return d, b, err
	}
	return s
}

// lacks says which of the required backends this is and cannot be; "": none.
func (s *suite) lacks(required []string) string {
	for _, r := range required {
		name, release, named := strings.Cut(r, "@")
		switch {
		case name != s.name:
		case s.why != "":
			return fmt.Sprintf("%s is required and cannot run: %s", r, s.why)
		case named && !slices.ContainsFunc(s.envoys, func(v string) bool { return v == release || strings.HasPrefix(v, release+".") }):
			return fmt.Sprintf("%s is required, and the cache has %s", r, s.what)
		}
	}
	return ""
}

// spec is one scenario on one backend, with what came out.
type spec struct {
	scenario string
	topic    string
	suite    suite
	drill    *schedule.Drill
	backend  backend.Backend
	options  harness.RunOptions
	attempts []harness.Played

	lasts time.Duration // of the wall clock
	share float64       // of a core, while it is played
}

// What a drill takes, as it was measured on a machine of two cores: of a core for
// as long as it lasts, and of one core's time for every request. starting is what
// the programs take until they run.
const (
	idleShare   = 0.03
	kindShare   = 0.3 // with what asks the proxy, and istioctl
	requestTime = time.Millisecond
	starting    = 300 * time.Millisecond
	startingPod = 6 * time.Second
	modelShare  = 0.5 // for an instant
)

// measure estimates what the drill takes.
func (s *spec) measure() {
	if s.suite.name == "model" {
		s.share = modelShare
		return
	}
	c := s.drill.Compile().Schedule
	requests := 0
	for i := range c.Clients {
		requests += c.Clients[i].Load.Count
	}
	s.lasts = time.Duration(float64(c.Duration) / s.options.Scale)
	s.share = max(idleShare, s.suite.share) + float64(requests)*float64(requestTime)/float64(max(s.lasts, time.Second))
}

func (s *spec) name() string { return s.scenario + " on " + s.suite.name }

func TestScenarios(t *testing.T) {
	var paths []string
	for _, p := range strings.Split(*scenes, ",") {
		paths = append(paths, filepath.Join("..", p))
	}
	specs, err := load(paths)
	if err != nil {
		t.Fatalf("loading the scenarios:\n%v", err)
	}
	known, err := knownDivergences(filepath.Join("..", "scenarios", "known-divergences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites() {
		if lacks := s.lacks(strings.Split(*require, ",")); lacks != "" {
			t.Fatal(lacks)
		}
		switch {
		case s.why != "":
			fmt.Printf("%s: not run (%s)\n", s.name, s.why)
		case s.what != "":
			fmt.Printf("%s: runs (%s)\n", s.name, s.what)
		default:
			fmt.Printf("%s: runs\n", s.name)
		}
	}
	RegisterFailHandler(Fail)
	BeforeSuite(func(ctx SpecContext) { play(ctx, specs, root(t)) })
	Describe("scenario", func() {
		for _, s := range specs {
			It(s.name(), Label("topic:"+s.topic, "backend:"+s.suite.name), func() { s.check(known[s.name()]) })
		}
	})
	ReportAfterSuite("summary", func(r Report) {
		summary(r, specs)
		if *reports != "" {
			Expect(writeReports(*reports, specs)).To(Succeed())
		}
	})
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
		if n := len(s.attempts); n > 0 && s.attempts[n-1].Verdict == result.Skip {
			fmt.Printf("\n%s: skipped, %s", s.name(), s.attempts[n-1].Reason)
		}
		if n := len(s.attempts); n > 1 {
			first := &s.attempts[0]
			fmt.Printf("\n%s: %s on attempt %d, before: %s", s.name(), s.attempts[n-1].Verdict, n, cmp.Or(first.Reason, fmt.Sprint(first.Err)))
			if d := first.Divergence; d != nil {
				fmt.Printf(" (at %v s, %s: permitted %v, observed %s; %s)", d.At, d.Decision, d.Permitted, d.Observed, first.Folder)
			}
		}
	}
	for _, s := range specs {
		if n := len(s.attempts); n > 0 && s.attempts[n-1].Verdict != result.Pass && s.attempts[n-1].Verdict != result.Skip {
			fmt.Printf("\n%s: %s", s.name(), why(&s.attempts[n-1]))
		}
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
}

// why says in a line what was wrong with a run.
func why(p *harness.Played) string {
	parts := []string{string(p.Verdict)}
	if p.Reason != "" {
		parts = append(parts, p.Reason)
	}
	if p.Err != nil {
		parts = append(parts, p.Err.Error())
	}
	for _, e := range p.Expectations {
		if e.Verdict != result.Pass {
			parts = append(parts, fmt.Sprintf("%s (%s): observed %s", e.Name, e.Verdict, e.Observed))
		}
	}
	return strings.Join(parts, "; ")
}

// load makes the drills of every scenario for every backend that runs.
func load(paths []string) ([]*spec, error) {
	var specs []*spec
	for _, s := range suites() {
		if s.why != "" {
			continue
		}
		inputs, err := scenario.Load(scenario.Disk(), paths)
		if err != nil {
			return nil, err
		}
		drills, err := harness.Drills(inputs, harness.Options{})
		if err != nil {
			return nil, err
		}
		for _, d := range drills {
			d, b, err := s.on(d)
			if err != nil {
				return nil, err
			}
			specs = append(specs, &spec{scenario: d.Name, topic: d.Input.Scenario.Metadata.Labels["topic"], suite: s, drill: d, backend: b})
		}
	}
	if len(specs) == 0 {
		return nil, fmt.Errorf("no scenario below %s", strings.Join(paths, ", "))
	}
	return specs, nil
}

func root(t *testing.T) string {
	if *runs == "" {
		return t.TempDir()
	}
	return *runs
}

// play plays all drills side by side, the longest first, as many as the machine has
// room for.
func play(ctx context.Context, specs []*spec, root string) {
	GinkgoHelper()
	Expect(harness.NewRoot(root)).To(Succeed())
	for _, s := range specs {
		folder, err := harness.NewFolder(root, s.name())
		Expect(err).NotTo(HaveOccurred())
		s.options = harness.RunOptions{Folder: folder, Scale: harness.FastestScale(s.drill, s.suite.scales...)}
		s.measure()
	}
	began, before := time.Now(), readProcessors()
	room := newRoom(*parallel, *busy*float64(runtime.NumCPU()))
	for _, after := range []bool{false, true} {
		sideBySide(ctx, slices.DeleteFunc(slices.Clone(specs), func(s *spec) bool { return s.suite.after != after }), room)
	}
	fmt.Printf("\n%s\n", pace(time.Since(began), specs, before, readProcessors()))
	// What all the others were too much for is played alone, also where programs did not
	// start in time; so is what a real proxy, or one on a machine that stood still, did and
	// the model does not permit: does it do so again? The summary has both.
	for _, s := range specs {
		for n := range 2 {
			last := &s.attempts[len(s.attempts)-1]
			stood := last.Observed != nil && trace.Sec(last.Observed.LongestStall()) > check.Slack
			diverged := last.Divergence != nil && (s.suite.what != "" || stood)
			if diverged { // its folder stays, to be looked at
				folder, err := harness.NewFolder(root, fmt.Sprintf("%s again %d", s.name(), n+1))
				Expect(err).NotTo(HaveOccurred())
				s.options.Folder = folder
			}
			if diverged || last.Open() || last.Err != nil && s.suite.what != "" {
				s.attempts = append(s.attempts, harness.RunSteadily(ctx, s.drill, s.backend, s.options)...)
			}
		}
	}
}

// sideBySide plays drills, the longest first, as many at a time as there is room for.
func sideBySide(ctx context.Context, specs []*spec, room *room) {
	order := slices.Clone(specs)
	slices.SortStableFunc(order, func(a, b *spec) int { return cmp.Compare(b.lasts, a.lasts) })
	var wg sync.WaitGroup
	for _, s := range order {
		room.enter(s.share)
		wg.Go(func() {
			defer room.leave(s.share)
			s.attempts = harness.RunSteadily(ctx, s.drill, s.backend, s.options)
		})
		time.Sleep(s.suite.pace) // or those that begin together are late together
	}
	wg.Wait()
}

// check is the spec: the last attempt passes, or diverges as it is known to, and its
// folder says so too.
func (s *spec) check(known string) {
	GinkgoHelper()
	p := s.attempts[len(s.attempts)-1]
	AddReportEntry("played", ReportEntryVisibilityFailureOrVerbose, fmt.Sprintf("attempt %d of %d, %v times as fast, profile istio %s envoy %s, seed %d",
		len(s.attempts), len(s.attempts), p.Scale, p.Profile.Istio, p.Profile.Envoy, p.Seed))
	if p.Verdict == result.Skip {
		Skip(p.Reason)
	}
	if p.Observed != nil {
		again, err := harness.Replay(p.Folder)
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Same).To(BeTrue(), "judged again from its folder it is another verdict: %s, and was %s", again.Verdict, p.Verdict)
	}
	if known != "" {
		Expect(p.Verdict).NotTo(Equal(result.Pass), "it is known to diverge (%s), and passes: remove its line", known)
		return
	}
	Expect(p.Verdict).To(Equal(result.Pass), "%s", text(p))
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
