package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
)

// LookEvery is the time between two looks of a Witness that says nothing else.
const LookEvery = 5 * time.Millisecond

const (
	// silence is how long a connect has to go unanswered to be called lost: links
	// inside a machine answer in well under a millisecond.
	silence = 100 * time.Millisecond
	// knocks is how many addresses without a server are tried.
	knocks = 3
)

// A Witness sees from the clients' side, past their proxies, that a step has taken
// effect. Its functions are what differs between backends.
type Witness struct {
	Schedule *schedule.Schedule
	Every    time.Duration // between two looks; 0 is LookEvery
	// Dial connects to an address of the schedule.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// AtWork reports whether the fault that a step began is there.
	AtWork func(step int) bool
	// Met reports whether a request has met the fault that a step began or, if it
	// is one of the DNS, whether somebody has got its answer.
	Met func(step int) bool
	// Taken waits until every proxy has the configuration of a step, or reports that one has another.
	Taken func(ctx context.Context, step int) (bool, error)
	// Silent reports whether a new connection, which it may close, has no answer for
	// what is no request; nil: Silent, the function, says so.
	Silent func(nc net.Conn) bool
	// Restarted waits until what a step restarted has answered every proxy, and says so in
	// words; nil: there is nothing of the kind.
	Restarted func(ctx context.Context, step int) (string, error)
	// ShowsTLS reports whether a fault of TLS shows on a new connection, which it
	// may close; nil: there is no such fault.
	ShowsTLS func(fault string, nc net.Conn) bool
}

// See is Player.Witness.
func (w *Witness) See(ctx context.Context, step int) (string, error) {
	if st := &w.Schedule.Steps[step]; st.Kind == schedule.KindConfig {
		if ok, err := w.Taken(ctx, step); !ok || err != nil {
			return "", err
		}
	}
	if st := &w.Schedule.Steps[step]; st.Kind == schedule.KindRestart {
		if w.Restarted == nil {
			return NoControlPlane, nil
		}
		return w.Restarted(ctx, step)
	}
	every := w.Every
	if every == 0 {
		every = LookEvery
	}
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		if seen := w.look(step); seen != "" {
			return seen, nil
		}
		t.Reset(every)
		select {
		case <-t.C:
		case <-ctx.Done():
			return w.look(step), nil
		}
	}
}

// NoControlPlane is what is seen of a control plane's restart where there is none.
const NoControlPlane = "there is no control plane here: nothing changes"

// look is what shows of a step now; "" if nothing does.
func (w *Witness) look(step int) string {
	st := &w.Schedule.Steps[step]
	switch {
	case st.Kind == schedule.KindConfig:
		return w.lookConfig(st.Config)
	case st.Kind == schedule.KindHeal:
		return w.lookHeal(step)
	case NeedsTraffic(st):
		return w.lookMet(step)
	case st.Fault.Behaviour == schedule.TLSFault:
		return w.lookTLS(st.Fault)
	}
	return w.lookDead(st.Fault)
}

// lookConfig sees that where a configuration names a port on which nobody listens
// a connect is refused.
func (w *Witness) lookConfig(config int) string {
	dead := w.unserved(config)
	if !w.knock(dead, refused) {
		return ""
	}
	seen := "every proxy has it"
	for _, a := range dead {
		seen += "; " + a + " refused a connect"
	}
	return seen
}

// unserved are a few endpoints of a configuration at which nobody listens, though
// an upstream has the address.
func (w *Witness) unserved(config int) []string {
	var as []string
	seen := map[string]bool{}
	for i := range w.Schedule.Clients {
		cs := w.Schedule.Configs[config][i].Clusters
		for j := range cs {
			for _, h := range engine.HostsOf(&cs[j], w.Schedule) {
				if seen[h.Address] || h.Upstream < 0 || w.Schedule.Upstreams[h.Upstream].Listens(h.Port) {
					continue
				}
				seen[h.Address] = true
				if as = append(as, h.Address); len(as) == knocks {
					return as
				}
			}
		}
	}
	return as
}

// lookMet sees that somebody has met a fault.
func (w *Witness) lookMet(step int) string {
	f := w.Schedule.Steps[step].Fault
	switch {
	case !w.Met(step):
		return ""
	case f.Behaviour == schedule.Answer:
		return "the DNS was asked for " + f.DNS + ": " + f.Answer
	case f.Behaviour == schedule.Addresses:
		return "the DNS was asked for " + f.DNS + ", and had other addresses"
	}
	return w.name(f) + " counted a request that met it"
}

// lookDead sees that connects fail the way the fault says, on every address.
func (w *Witness) lookDead(f *schedule.Fault) string {
	as := w.addresses(f)
	if len(as) == 0 {
		return ""
	}
	all := strings.Join(as, ", ")
	switch rejects := f.Partition == schedule.PartitionReject; {
	case f.Behaviour == schedule.Pause:
		if w.knock(as, w.accepted) {
			return fmt.Sprintf("a connect succeeded and nothing was answered within %v at %s", silence, all)
		}
	case f.Behaviour == schedule.Refuse || rejects:
		if w.knock(as, refused) {
			return "ECONNREFUSED from " + all
		}
	case w.knock(as, unanswered):
		return fmt.Sprintf("no answer within %v from %s", silence, all)
	}
	return ""
}

// accepted is a connect that succeeded to a server that says nothing.
func (w *Witness) accepted(nc net.Conn, err error) bool {
	if err != nil {
		return false
	}
	if w.Silent != nil {
		return w.Silent(nc)
	}
	return Silent(nc)
}

// Silent reports whether a server has no answer for what is neither a request nor a
// hello: one that is awake says so at once, and counts nothing.
func Silent(nc net.Conn) bool {
	_ = nc.SetDeadline(time.Now().Add(silence)) // a connection that is gone says so below
	if _, err := nc.Write([]byte("is anybody there?\r\n\r\n")); err != nil {
		return false
	}
	_, err := nc.Read(make([]byte, 1))
	return unanswered(nil, err)
}

// lookTLS sees that every port that speaks TLS shows what the fault says.
func (w *Witness) lookTLS(f *schedule.Fault) string {
	seen := ""
	u := &w.Schedule.Upstreams[f.Upstream]
	for _, a := range Addresses(u, f.Port) {
		if !u.TLS.Speaks(uint32(a.Port())) {
			continue
		}
		if !w.knock([]string{a.String()}, func(nc net.Conn, err error) bool { return err == nil && w.ShowsTLS(f.TLS, nc) }) {
			return ""
		}
		seen = a.String() + " shows it: " + f.TLS
	}
	return seen
}

// lookHeal sees that the fault is gone, and that connects succeed unless another
// fault forbids it.
func (w *Witness) lookHeal(step int) string {
	begun := BegunBy(w.Schedule, step)
	if begun < 0 || w.AtWork(begun) {
		return ""
	}
	f := w.Schedule.Steps[begun].Fault
	if f.IsDNS() {
		return "the DNS has it no more"
	}
	if NeedsTraffic(&w.Schedule.Steps[begun]) || w.deadOtherwise(f.Upstream) {
		return w.name(f) + " has it no more"
	}
	as := w.addresses(f)
	if !w.knock(as, answered) {
		return ""
	}
	return "a connect succeeded to " + strings.Join(as, ", ")
}

// deadOtherwise reports whether another fault keeps connects from succeeding.
func (w *Witness) deadOtherwise(upstream int32) bool {
	for i := range w.Schedule.Steps {
		st := &w.Schedule.Steps[i]
		if st.Fault != nil && st.Fault.Upstream == upstream && !NeedsTraffic(st) && w.AtWork(i) {
			return true
		}
	}
	return false
}

func (w *Witness) name(f *schedule.Fault) string { return w.Schedule.Upstreams[f.Upstream].Name }

// addresses are those that a fault is about.
func (w *Witness) addresses(f *schedule.Fault) []string {
	var as []string
	for _, a := range Addresses(&w.Schedule.Upstreams[f.Upstream], f.Port) {
		as = append(as, a.String())
	}
	return as
}

// Addresses are those at which an upstream serves; port 0 is all ports.
func Addresses(u *schedule.Upstream, port uint32) []netip.AddrPort {
	var as []netip.AddrPort
	for _, ip := range u.IPs {
		for _, have := range u.Ports {
			if port == 0 || port == have {
				as = append(as, netip.AddrPortFrom(ip, uint16(have)))
			}
		}
	}
	return as
}

// What a connect can come to.
func refused(_ net.Conn, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
func unanswered(_ net.Conn, err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
func answered(_ net.Conn, err error) bool { return err == nil }

// knock connects to all addresses at once, and reports whether each came to what
// is wanted.
func (w *Witness) knock(as []string, wanted func(net.Conn, error) bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	var knocking sync.WaitGroup
	var failed atomic.Bool
	for _, a := range as {
		knocking.Go(func() {
			nc, err := w.Dial(ctx, a)
			if !wanted(nc, err) {
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
