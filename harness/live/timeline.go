package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// entry is one thing that is done at an offset: a step, or with step -1 an
// observation.
type entry struct {
	at   time.Duration
	step int
}

// entriesOf are the steps and observations of a schedule in order; at one
// instant the steps come first.
func entriesOf(s *schedule.Schedule) []entry {
	var es []entry
	for i := range s.Steps {
		if s.Steps[i].At <= s.Duration {
			es = append(es, entry{s.Steps[i].At.D(), i})
		}
	}
	for _, at := range s.Observe {
		if at <= s.Duration {
			es = append(es, entry{at.D(), -1})
		}
	}
	slices.SortStableFunc(es, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	return es
}

// entriesUpTo is how many entries are due at or before the offset.
func (d *drive) entriesUpTo(at time.Duration) int {
	return sort.Search(len(d.entries), func(i int) bool { return d.entries[i].at > at })
}

// timeline carries out every entry at its offset and returns when the drill's
// time is up.
func (d *drive) timeline(ctx context.Context) error {
	pacer := probe.Precise()
	end := pacer.Begin()
	defer end()
	for _, e := range d.entries {
		if err := pacer.Wait(ctx, d.origin.Add(e.at)); err != nil {
			return err
		}
		if err := d.carryOut(ctx, e); err != nil {
			return err
		}
		d.gate.pass()
	}
	return pacer.Wait(ctx, d.origin.Add(d.s.Duration.D()))
}

func (d *drive) carryOut(ctx context.Context, e entry) error {
	if e.step < 0 {
		rows, err := d.p.Observe(ctx)
		if err != nil {
			return fmt.Errorf("observing the endpoints at %v: %w", e.at, err)
		}
		d.sink.Event(trace.Endpoints{At: trace.Sec(e.at), Rows: rows})
		return nil
	}
	st := &d.s.Steps[e.step]
	event := trace.Step{At: st.At, Index: int32(e.step), Kind: st.Kind, Name: st.Name, Upstream: d.upstreamOf(e.step)}
	d.land(ctx, e.step)
	err := d.p.Step(ctx, e.step)
	event.Done = d.since()
	if err != nil {
		event.Error = err.Error()
		d.sink.Event(event)
		return fmt.Errorf("carrying out step %q at %v: %w", st.Name, e.at, err)
	}
	if st.Kind == schedule.KindHeal {
		d.healed(st.Heal)
	}
	d.witness(ctx, event)
	return nil
}

// upstreamOf is the upstream that a step is about, or -1.
func (d *drive) upstreamOf(step int) int32 {
	if begun := BegunBy(d.s, step); begun >= 0 {
		return d.s.Steps[begun].Fault.Upstream
	}
	return -1
}

// BegunBy is the step that began the fault which a step begins or heals: itself, or
// the latest one of that name before it; -1: the step has to do with no fault.
func BegunBy(s *schedule.Schedule, step int) int {
	st := &s.Steps[step]
	if st.Kind == schedule.KindFault {
		return step
	}
	for i := step - 1; i >= 0 && st.Kind == schedule.KindHeal; i-- {
		if f := s.Steps[i].Fault; f != nil && f.Name == st.Heal {
			return i
		}
	}
	return -1
}
