package differential_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/differential"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

func drawn(n int) []*schedule.Schedule {
	var parts []*schedule.Schedule
	for i := range n {
		parts = append(parts, differential.Draw(1, uint64(i), istio.DefaultProfile()))
	}
	return parts
}

func text(t *testing.T, s *schedule.Schedule) string {
	t.Helper()
	var b strings.Builder
	if err := s.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The same numbers draw the same drill, others another one; what is drawn can be
// stored and read.
func TestDraw(t *testing.T) {
	seen := map[string]bool{}
	for i, s := range drawn(200) {
		a, b := text(t, s), text(t, differential.Draw(1, uint64(i), istio.DefaultProfile()))
		if a != b {
			t.Fatalf("drill %d differs the second time", i)
		}
		if seen[a] {
			t.Errorf("drill %d was drawn twice", i)
		}
		seen[a] = true
		if _, err := schedule.Read(strings.NewReader(a)); err != nil {
			t.Errorf("drill %d: %v", i, err)
		}
	}
	if text(t, differential.Draw(2, 0, istio.DefaultProfile())) == text(t, differential.Draw(1, 0, istio.DefaultProfile())) {
		t.Error("the seed makes no difference")
	}
}

// A drill of a pack goes as it can go alone: the engine plays the pack, and each
// part is what it permits of the part.
func TestSplit(t *testing.T) {
	parts := drawn(60)
	p := differential.Pack(parts, 7)
	if _, err := schedule.Read(strings.NewReader(text(t, p.Schedule))); err != nil {
		t.Fatal(err)
	}
	tr := engine.Play(p.Schedule)
	requests, undecided := 0, 0
	for i, part := range p.Split(tr) {
		requests += len(part.Requests)
		if got, want := len(part.Requests), parts[i].Clients[0].Load.Count; got != want {
			t.Errorf("drill %d: %d requests, want %d", i, got, want)
		}
		for _, st := range part.Steps {
			if st.Name != parts[i].Steps[st.Index].Name {
				t.Errorf("drill %d: step %d is called %q", i, st.Index, st.Name)
			}
		}
		for _, h := range part.Hosts {
			if !strings.HasPrefix(h.Address, "198.18.0.") || int(h.Upstream) >= len(parts[i].Upstreams) {
				t.Errorf("drill %d: host %+v", i, h)
			}
		}
		d, why := check.AcceptWithin(parts[i], part, check.Inproc)
		if d != nil {
			t.Errorf("drill %d: %+v", i, d)
		}
		if why != "" {
			undecided++
		}
	}
	if requests != len(tr.Requests) {
		t.Errorf("%d requests in all, want %d", requests, len(tr.Requests))
	}
	if undecided > len(parts)/5 {
		t.Errorf("%d of %d drills are undecided", undecided, len(parts))
	}
}

// A change that is missing does not go unnoticed in a part.
func TestJudgeFindsWhatIsMissing(t *testing.T) {
	found := 0
	for _, s := range drawn(30) {
		p := differential.Pack([]*schedule.Schedule{s}, 7)
		part := p.Split(engine.Play(p.Schedule))[0]
		part.Run.Backend = "model"
		if len(part.Changes) == 0 {
			continue
		}
		part.Changes = part.Changes[1:]
		if v := differential.Judge(s, part); v.Divergence != nil {
			found++
		}
	}
	if found < 5 {
		t.Errorf("in %d of 30 drills a change that is missing was noticed", found)
	}
}

// Nothing that is undecided counts.
func TestDecisions(t *testing.T) {
	v := differential.Verdict{Picks: 3, Attempts: 4, Changes: 5}
	if v.Decisions() != 12 {
		t.Errorf("%d decisions, want 12", v.Decisions())
	}
	v.Undecided = "too many explanations"
	if v.Decisions() != 0 {
		t.Errorf("%d decisions of an undecided drill", v.Decisions())
	}
}

// Candidates differ from the drill and from each other, can be played, and leave the
// drill as it is.
func TestSmaller(t *testing.T) {
	for i, s := range drawn(20) {
		before := text(t, s)
		seen := map[string]bool{before: true}
		for k, c := range differential.Smaller(s) {
			b := text(t, c)
			if seen[b] {
				t.Errorf("drill %d: candidate %d is nothing new", i, k)
			}
			seen[b] = true
			if _, err := schedule.Read(strings.NewReader(b)); err != nil {
				t.Errorf("drill %d, candidate %d: %v", i, k, err)
			}
		}
		if text(t, s) != before {
			t.Fatalf("drill %d was changed", i)
		}
	}
}

// What happens after a drill's end belongs to nobody.
func TestSplitLeavesOutWhatComesLater(t *testing.T) {
	parts := drawn(1)
	p := differential.Pack(parts, 7)
	tr := engine.Play(p.Schedule)
	late := trace.Change{At: p.Schedule.Duration + 1, Event: trace.Returned}
	tr.Changes = append(tr.Changes, late)
	for _, c := range p.Split(tr)[0].Changes {
		if reflect.DeepEqual(c, late) {
			t.Error("a change after the end is there")
		}
	}
}
