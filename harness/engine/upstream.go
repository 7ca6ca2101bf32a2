package engine

import (
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/schedule"
)

// upstream is a fake server in virtual time: which faults it has, and which
// requests they have met.
type upstream struct {
	def    *schedule.Upstream
	faults []*fault // in the order in which they began
}

type fault struct {
	*schedule.Fault
	since int64
	seen  int // requests that passed path, headers and port
}

// answer is what becomes of a request that an upstream has received.
type answer struct {
	status int32
	reset  bool
	never  bool  // no response headers
	noEnd  bool  // headers, but the body never ends
	body   int64 // from the headers to the end
	held   held
}

// held is what a server that stands still has of an exchange.
type held uint8

const (
	notHeld held = iota
	unread       // the request waits to be read
	lost         // the request was lost on its way, and is sent again now and then
	unsent       // the answer is not due yet
	late         // the answer was due while it stood still
)

// connectLatency is a round trip to an upstream: a connection, or its refusal.
const connectLatency = 200_000

// reachability is what a connect meets.
type reachability uint8

const (
	reachable reachability = iota
	refuses
	silent
)

// connect is what a new connection to the port meets now.
func (u *upstream) connect(now int64, port uint32) reachability {
	if u == nil {
		return refuses
	}
	for _, f := range u.faults {
		if !f.active(now) || f.Port != 0 && f.Port != port {
			continue
		}
		switch f.Behaviour {
		case schedule.Refuse:
			return refuses
		case schedule.Blackhole, schedule.Stop:
			return silent
		case schedule.Partition:
			if f.Partition == schedule.PartitionReject {
				return refuses
			}
			return silent
		}
	}
	if !u.def.Listens(port) {
		return refuses
	}
	return reachable
}

// holds reports whether connections to the port are silent now.
func (u *upstream) holds(now int64, port uint32) bool {
	if u == nil {
		return false
	}
	return slices.ContainsFunc(u.faults, func(f *fault) bool {
		return f.Holds() && f.active(now) && (f.Port == 0 || f.Port == port)
	})
}

// serve is what a request on an established connection meets. The first fault
// that decides an answer wins; delays add up: the headers come so long after. Carried is how many requests the
// connection has had before; closeAfter looks at no request that comes earlier.
func (u *upstream) serve(now int64, port uint32, l *schedule.Load, carried int, ch *Chooser, a *answer) (after int64) {
	*a = answer{status: 200}
	after = int64(u.def.Latency)
	decided := false
	for _, f := range u.faults {
		if !f.active(now) {
			continue
		}
		if f.MeetsConnections() {
			if f.Port != 0 && f.Port != port {
				continue
			}
			switch {
			case f.Holds():
				*a = answer{never: true, held: unread}
				if f.Behaviour == schedule.Partition {
					a.held = lost
				}
				return 0
			case f.Behaviour == schedule.Partition:
				a.reset, decided, after = true, true, connectLatency
			}
			continue
		}
		if f.Behaviour == schedule.CloseAfter && carried < f.CloseAfter {
			continue
		}
		if !f.hits(port, l, ch) {
			continue
		}
		if f.Behaviour == schedule.Delay {
			after += int64(f.Delay)
			if f.Jitter > 0 {
				after += int64(ch.Uniform(DrawFault, uint64(f.Jitter)+1))
			}
			continue
		}
		if !decided {
			decided = true
			a.meet(f)
		}
	}
	return after
}

// meet is what becomes of the answer by the fault.
func (a *answer) meet(f *fault) {
	switch f.Behaviour {
	case schedule.Status:
		a.status = int32(f.Status)
	case schedule.Reset, schedule.CloseAfter:
		a.reset = true
	case schedule.Hang:
		a.never = f.Hang != "body"
		a.noEnd = !a.never
	case schedule.SlowBody:
		a.body = int64(f.SlowBody)
	}
}

func (f *fault) active(now int64) bool {
	return now >= f.since && (f.For == 0 || now < f.since+int64(f.For))
}

// hits decides whether the fault meets a request: port, path and headers
// first, then the count, then chance.
func (f *fault) hits(port uint32, l *schedule.Load, ch *Chooser) bool {
	if f.Port != 0 && f.Port != port || !strings.HasPrefix(l.Path, f.Path) {
		return false
	}
	for k, v := range f.Headers {
		if l.Headers[k] != v {
			return false
		}
	}
	f.seen++
	if f.First > 0 && f.seen > f.First || f.EveryNth > 0 && f.seen%f.EveryNth != 0 {
		return false
	}
	if f.Percentage > 0 && f.Percentage < 100 {
		return float64(ch.Uniform(DrawFault, 1<<53))/(1<<53)*100 < f.Percentage
	}
	return true
}
