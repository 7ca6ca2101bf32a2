package outlier

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
//	at 0.40 report h0 503 x2                    or connected, refused, timeout; ticks come first
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
	early bool
	out   strings.Builder
}

func play(t *testing.T, text string) string {
	s := &story{T: t, cfg: xds.DefaultOutlierDetection(), rules: xds.Rules{DecayNeedsHealthyInterval: true}}
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
		s.rules = map[string]xds.Rules{"envoy-1.27": {FirstEjectionAlwaysAllowed: true}, "envoy-1.40": {DecayNeedsHealthyInterval: true}}[f[1]]
	case "config":
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			s.set(k, v)
		}
	case "decay":
		s.early = f[1] == "early"
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
	}
	durations := map[string]*time.Duration{"interval": &s.cfg.Interval, "base": &s.cfg.BaseEjectionTime, "max": &s.cfg.MaxEjectionTime}
	switches := map[string]*bool{"always_eject_one": &s.cfg.AlwaysEjectOneHost, "split": &s.cfg.SplitExternalLocalOriginErrors}
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
		for range times {
			s.report(now, int32(s.number(f[3])), f[4])
		}
	}
	s.draw()
}

func (s *story) tick() {
	at := s.d.NextTick()
	early := s.early && s.d.MayDecayEarly()
	before := append([]Host(nil), s.d.hosts...)
	s.d.OnInterval(s.d.Returning(nil), early, func(h int32) { s.say("tick %s: h%d returns", clock(at), h) })
	for h := range before {
		if was, is := before[h].Multiplier, s.d.hosts[h].Multiplier; was != is {
			s.say("tick %s: h%d has the multiplier %d", clock(at), h, is)
		}
	}
}

func (s *story) report(now int64, h int32, what string) {
	r, code := RequestSuccess, 0
	switch what {
	case "connected":
		r = ConnectSuccess
	case "refused":
		r = ConnectFailed
	case "timeout":
		r = Timeout
	default:
		if code = s.number(what); code >= 500 {
			r = RequestFailed
		}
	}
	ds := s.d.Report(h, r, code)
	for _, t := range ds.List() {
		s.say("%s of h%d: %s", t, h, [...]string{"dropped", "overflow", "not enforced", "ejected"}[s.d.Detected(now, h, t, 0)])
	}
}

func (s *story) say(format string, a ...any) { fmt.Fprintf(&s.out, "    "+format+"\n", a...) }

// draw writes a line a host that has anything to tell.
func (s *story) draw() {
	for h := range s.d.hosts {
		host := &s.d.hosts[h]
		line := ""
		for t := range types {
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
		if line != "" {
			s.say("h%d:%s", h, line)
		}
	}
	if st := s.d.Stats(); st.Detected != ([types]uint64{}) {
		s.say("active %d, detected 5xx %d gateway %d local %d, overflow %d", s.d.Active(),
			st.Detected[Consecutive5xx], st.Detected[ConsecutiveGatewayFailure], st.Detected[ConsecutiveLocalOriginFailure], st.Overflow)
	}
}

func clock(at int64) string {
	return strconv.FormatFloat(float64(at)/1e9, 'f', -1, 64)
}
