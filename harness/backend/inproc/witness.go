package inproc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
)

const (
	lookEvery = 5 * time.Millisecond
	// silence is how long a connect has to go unanswered to be called lost.
	// Loopback answers in well under a millisecond.
	silence = 100 * time.Millisecond
	// knocks is how many addresses without a server are tried.
	knocks = 3
)

// Witness waits until the step shows from the clients' side.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if seen := p.look(step); seen != "" {
			return seen, nil
		}
		timer.Reset(lookEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return p.look(step), nil
		}
	}
}

// look is what shows of a step now; "" if nothing does.
func (p *player) look(step int) string {
	st := &p.s.Steps[step]
	switch st.Kind {
	case schedule.KindConfig:
		return p.lookConfig(st.Config)
	case schedule.KindHeal:
		return p.lookHeal(step)
	}
	f := st.Fault
	name := p.s.Upstreams[f.Upstream].Name
	switch f.Behaviour {
	case schedule.Refuse, schedule.Blackhole:
		return p.lookDead(f)
	case schedule.Answer, schedule.Addresses:
		return p.lookAnswer(step)
	}
	if n := p.net.met(step); n > 0 {
		return fmt.Sprintf("%s counted a request that met it", name)
	}
	return ""
}

// lookConfig sees that every proxy has the configuration, and that where it
// names a port on which nobody listens a connect is refused.
func (p *player) lookConfig(config int) string {
	p.w.lock()
	for i, pr := range p.w.proxies {
		if pr.config != &p.s.Configs[config][i] {
			p.w.unlock()
			return ""
		}
	}
	p.w.unlock()
	seen := []string{"every proxy has it"}
	unserved := map[string]bool{}
	for i := range p.s.Clients {
		for j := range p.s.Configs[config][i].Clusters {
			for _, h := range engine.HostsOf(&p.s.Configs[config][i].Clusters[j], p.s) {
				if _, ok := p.net.at[h.Address]; !ok {
					unserved[h.Address] = true
				}
			}
		}
	}
	// All of them lead to one port on loopback: a few stand for the rest.
	dead := slices.Sorted(maps.Keys(unserved))
	few := dead[:min(len(dead), knocks)]
	if !p.knock(few, refused) {
		return ""
	}
	for _, a := range few {
		seen = append(seen, a+" refused a connect")
	}
	return strings.Join(seen, "; ")
}

// lookAnswer sees that a proxy has asked, and was answered so.
func (p *player) lookAnswer(step int) string {
	p.w.lock()
	defer p.w.unlock()
	if !p.w.answered[step] {
		return ""
	}
	f := p.s.Steps[step].Fault
	if f.Behaviour == schedule.Answer {
		return "the DNS was asked for " + f.DNS + ": " + f.Answer
	}
	return "the DNS was asked for " + f.DNS + ", and had other addresses"
}

// lookDead sees that connects fail the way the fault says, on every address.
func (p *player) lookDead(f *schedule.Fault) string {
	addresses := p.net.addresses(f.Upstream, f.Port)
	if len(addresses) == 0 {
		return ""
	}
	if f.Behaviour == schedule.Refuse {
		if p.knock(addresses, refused) {
			return "ECONNREFUSED from " + strings.Join(addresses, ", ")
		}
		return ""
	}
	if p.knock(addresses, unanswered) {
		return fmt.Sprintf("no answer within %v from %s", silence, strings.Join(addresses, ", "))
	}
	return ""
}

// lookHeal sees that the fault is gone, and that connects succeed unless
// another fault forbids it.
func (p *player) lookHeal(step int) string {
	begun := begunBy(p.s, step)
	if begun < 0 {
		return ""
	}
	f := p.s.Steps[begun].Fault
	if f.IsDNS() {
		p.w.lock()
		defer p.w.unlock()
		if p.w.names.AtWork(begun) {
			return ""
		}
		return "the DNS has it no more"
	}
	if p.net.atWork(begun) {
		return ""
	}
	name := p.s.Upstreams[f.Upstream].Name
	if live.NeedsTraffic(&p.s.Steps[begun]) || p.deadOtherwise(f.Upstream) {
		return name + " has it no more"
	}
	addresses := p.net.addresses(f.Upstream, f.Port)
	if !p.knock(addresses, answered) {
		return ""
	}
	return "a connect succeeded to " + strings.Join(addresses, ", ")
}

// deadOtherwise reports whether another fault keeps connects from succeeding.
func (p *player) deadOtherwise(upstream int32) bool {
	for i := range p.s.Steps {
		if f := p.s.Steps[i].Fault; f != nil && f.Upstream == upstream && !live.NeedsTraffic(&p.s.Steps[i]) && p.net.atWork(i) {
			return true
		}
	}
	return false
}

// What a connect can come to.
func refused(err error) bool    { return errors.Is(err, syscall.ECONNREFUSED) }
func unanswered(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
func answered(err error) bool   { return err == nil }

// knock connects to addresses of the schedule, all at once, and reports whether
// each came to what is wanted.
func (p *player) knock(addresses []string, wanted func(error) bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	var knocking sync.WaitGroup
	var failed atomic.Bool
	for _, a := range addresses {
		knocking.Go(func() {
			nc, err := p.net.dial(ctx, a)
			if !wanted(err) {
				failed.Store(true)
			}
			if err == nil {
				nc.Close()
			}
		})
	}
	knocking.Wait()
	return !failed.Load()
}
