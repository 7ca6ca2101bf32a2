package outlier

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// The transcripts: a comment that says why, then commands, each followed by what
// came of it, indented.
//
//	hosts 2
//	config consecutive_5xx=2 base=3s            what is left out has Envoy's default
//	rules envoy-1.27                            before the strict cap and decay
//	decay early                                 the first tick after a return counts already
//	jitter goes on                              where it can be either; or is over
//	first h3 h1                                 who returns, or is ejected, before others
//	at 0.40 report h0 503 x2                    or connected, refused, timeout, degraded; ticks come first
//	at 0.50 report h1..h4 200 x10               each of them
//	at 11                                       ticks only
func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("%s (-want +got), -update writes it anew:\n%s", f, d)
			}
		})
	}
}

// story is a transcript while it is played.
type story struct {
	*testing.T
	d     Detector
	cfg   xds.OutlierDetection
	rules xds.Rules
	hosts int
	made  bool
	out   strings.Builder

	chance dice
}

func play(t *testing.T, text string) string {
	s := &story{T: t, cfg: xds.DefaultOutlierDetection(), rules: xds.Rules{DecayNeedsHealthyInterval: true, DetectsDegradedHosts: true}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue // what came of it the last time
		}
		s.out.WriteString(line + "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			s.do(strings.Fields(line))
		}
	}
	return s.out.String()
}

func (s *story) do(f []string) {
	switch f[0] {
	case "hosts":
		s.hosts = s.number(f[1])
	case "rules":
		s.rules = map[string]xds.Rules{"envoy-1.27": {FirstEjectionAlwaysAllowed: true}, "envoy-1.40": {DecayNeedsHealthyInterval: true, DetectsDegradedHosts: true}}[f[1]]
	case "config":
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			s.set(k, v)
		}
	case "decay":
		s.chance.early = f[1] == "early"
	case "jitter":
		s.chance.jitter = map[string]func(uint64) uint64{"is": nil, "goes": func(n uint64) uint64 { return n - 1 }}[f[1]]
	case "first":
		s.chance.first = nil
		for _, h := range f[1:] {
			s.chance.first = append(s.chance.first, int32(s.number(h)))
		}
	case "at":
		s.at(f)
	default:
		s.Fatalf("unknown command %q", f)
	}
}

func (s *story) set(k, v string) {
	numbers := map[string]*uint32{
		"consecutive_5xx": &s.cfg.Consecutive5xx, "enforcing_5xx": &s.cfg.EnforcingConsecutive5xx,
		"consecutive_gateway": &s.cfg.ConsecutiveGatewayFailure, "enforcing_gateway": &s.cfg.EnforcingConsecutiveGatewayFailure,
		"consecutive_local": &s.cfg.ConsecutiveLocalOriginFailure, "max_percent": &s.cfg.MaxEjectionPercent,
		"success_rate_hosts": &s.cfg.SuccessRateMinimumHosts, "success_rate_volume": &s.cfg.SuccessRateRequestVolume,
		"stdev_factor": &s.cfg.SuccessRateStdevFactor, "enforcing_success_rate": &s.cfg.EnforcingSuccessRate,
		"enforcing_local_success_rate": &s.cfg.EnforcingLocalOriginSuccessRate,
		"failure_threshold":            &s.cfg.FailurePercentageThreshold, "failure_hosts": &s.cfg.FailurePercentageMinimumHosts,
		"failure_volume": &s.cfg.FailurePercentageRequestVolume, "enforcing_failure": &s.cfg.EnforcingFailurePercentage,
		"enforcing_local_failure": &s.cfg.EnforcingFailurePercentageLocalOrigin,
	}
	durations := map[string]*time.Duration{"interval": &s.cfg.Interval, "base": &s.cfg.BaseEjectionTime, "max": &s.cfg.MaxEjectionTime, "jitter": &s.cfg.MaxEjectionTimeJitter}
	switches := map[string]*bool{"always_eject_one": &s.cfg.AlwaysEjectOneHost, "split": &s.cfg.SplitExternalLocalOriginErrors, "degraded": &s.cfg.DetectDegradedHosts}
	switch {
	case numbers[k] != nil:
		*numbers[k] = uint32(s.number(v))
	case durations[k] != nil:
		d, err := time.ParseDuration(v)
		if err != nil {
			s.Fatal(err)
		}
		*durations[k] = d
	case switches[k] != nil:
		*switches[k] = v == "true"
	default:
		s.Fatalf("unknown field %q", k)
	}
}

func (s *story) number(v string) int {
	n, err := strconv.Atoi(strings.TrimLeft(v, "hx"))
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// at lets the ticks up to the instant pass, then reports a result.
func (s *story) at(f []string) {
	if !s.made {
		s.d, s.made = New(s.cfg, s.rules, s.hosts, 0), true
	}
	seconds, err := strconv.ParseFloat(f[1], 64)
	if err != nil {
		s.Fatal(err)
	}
	now := int64(seconds*1000+0.5) * int64(time.Millisecond)
	for s.d.NextTick() <= now {
		s.tick()
	}
	if len(f) > 2 {
		times := 1
		if len(f) > 5 {
			times = s.number(f[5])
		}
		from, to, several := strings.Cut(f[3], "..")
		if !several {
			to = from
		}
		for h := s.number(from); h <= s.number(to); h++ {
			for range times {
				s.report(now, int32(h), f[4])
			}
		}
	}
	s.draw()
}

func (s *story) tick() {
	at := s.d.NextTick()
	before := append([]Host(nil), s.d.hosts...)
	s.d.OnInterval(&s.chance, func(e Event) { s.say("tick %s: %s", clock(at), told(e)) })
	for h := range before {
		if was, is := before[h].Multiplier, s.d.hosts[h].Multiplier; is < was {
			s.say("tick %s: h%d has the multiplier %d", clock(at), h, is)
		}
		if was, is := before[h].DegradeMultiplier, s.d.hosts[h].DegradeMultiplier; is < was {
			s.say("tick %s: h%d has the degrade multiplier %d", clock(at), h, is)
		}
	}
}

// told is an event of a tick in words.
func told(e Event) string {
	found := ""
	switch e.Type {
	case SuccessRate, LocalOriginSuccessRate:
		found = fmt.Sprintf(" by %s, %.4g %%: average %.4g, threshold %.4g", e.Type, e.Rates.Host, e.Rates.Average, e.Rates.Threshold)
	case FailurePercentage, LocalOriginFailurePercentage:
		found = fmt.Sprintf(" by %s, %.4g %%", e.Type, e.Rates.Host)
	}
	return fmt.Sprintf("h%d ", e.Host) + verdicts[e.Verdict] + found
}

var verdicts = [...]string{"dropped", "overflow", "not enforced", "ejected", "returns", "degraded", "is no longer degraded"}

func (s *story) report(now int64, h int32, what string) {
	r, code := RequestSuccess, 0
	switch what {
	case "connected":
		r = ConnectSuccess
	case "refused":
		r = ConnectFailed
	case "timeout":
		r = Timeout
	case "degraded":
		r = RequestDegraded
	default:
		if code = s.number(what); code >= 500 {
			r = RequestFailed
		}
	}
	ds := s.d.Report(h, r, code)
	for _, t := range ds.List() {
		s.say("%s of h%d: %s", t, h, verdicts[s.d.Detected(now, h, t, &s.chance).Verdict])
	}
}

func (s *story) say(format string, a ...any) { fmt.Fprintf(&s.out, "    "+format+"\n", a...) }

// draw writes a line a host that has anything to tell.
func (s *story) draw() {
	for h := range s.d.hosts {
		host := &s.d.hosts[h]
		line := ""
		for t := range consecutiveTypes {
			if n := host.Consecutive[t]; n > 0 {
				line += fmt.Sprintf(" %s=%d", strings.TrimPrefix(t.String(), "consecutive_"), n)
			}
		}
		if host.Ejected {
			line += fmt.Sprintf(" ejected %s..%s", clock(host.LastEjected), clock(s.d.ReturnTick(int32(h))))
		}
		if host.Multiplier > 0 {
			line += fmt.Sprintf(" multiplier=%d", host.Multiplier)
		}
		if host.Degraded {
			line += fmt.Sprintf(" degraded at %s", clock(host.LastDegraded))
		}
		if host.DegradeMultiplier > 0 {
			line += fmt.Sprintf(" degrade multiplier=%d", host.DegradeMultiplier)
		}
		if line != "" {
			s.say("h%d:%s", h, line)
		}
	}
	if line := counters(&s.d); line != "" {
		s.say("%s", line)
	}
}

// counters are the statistics that are not 0.
func counters(d *Detector) string {
	var out []string
	for _, c := range d.Counters() {
		if c.Value > 0 {
			out = append(out, fmt.Sprintf("%s=%d", strings.TrimPrefix(c.Name, "ejections_"), c.Value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func clock(at int64) string {
	return strconv.FormatFloat(float64(at)/1e9, 'f', -1, 64)
}
