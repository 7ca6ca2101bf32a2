// Package dns asks for the names of a DNS cluster the way Envoy does.
//
// A Resolver has the names of one cluster. It says who is asked for when, and
// what an answer means; asking is the caller's:
//
//	r := dns.New(cfg, dns.Strict, rules, 2, now)     // two names, each asked for at once
//	for name, at := r.Next(); at <= now; name, at = r.Next() {
//	        res := dns.Outcome(cfg.LookupFamily, rules, a, aaaa)
//	        changed := r.Answered(at, name, res, draw%max(1, r.Window(res)))
//	        hosts := r.Addresses(name)
//	}
//
// Time is in nanoseconds from any origin and chance comes in as an argument.
//
// Rules: Envoy's documentation, "Service discovery";
// source/extensions/clusters/dns/dns_cluster.cc and
// source/extensions/network/dns_resolver/cares/dns_impl.cc. Not here: warming
// (a cluster is there from its construction on), the getaddrinfo resolver, search
// domains, and what the hosts of a cluster make of their addresses.
package dns

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

// Kind is what becomes of the addresses.
type Kind uint8

// The kinds of DNS clusters.
const (
	Strict  Kind = iota // each address is a host
	Logical             // the first address is the only host
)

// Code is how a server answers a question.
type Code uint8

// The codes, NOERROR first: it has addresses, or none (NODATA).
const (
	NoError Code = iota
	NXDomain
	ServFail
	Refused
	Timeout // it does not answer
)

// Answer is what a server answers to the question for one family.
type Answer struct {
	Code      Code
	Addresses []netip.Addr
	TTL       time.Duration // of the addresses; a DNS has whole seconds
}

// failed reports whether the answer says nothing about the name. That there is no
// such name, or no address, is said.
//
// Rule: RuleDNSEmpty.
func (a *Answer) failed() bool { return a.Code != NoError && a.Code != NXDomain }

// Result is what a look-up comes to.
type Result struct {
	Failed    bool // hosts stay; without it and without addresses there are none
	TimedOut  bool // the server did not answer
	Addresses []netip.Addr
	TTL       time.Duration // the shortest
}

// Outcome is what a look-up comes to, from the answers for IPv4 and IPv6; one that
// is not asked for does not matter. Where both are asked for and there is no
// address, one failure makes it a failure; up to Envoy 1.39 an empty answer for
// the other family hid it.
//
// Rule: RuleDNSDualFamily.
func Outcome(f xds.LookupFamily, rules xds.Rules, a, aaaa Answer) Result {
	switch f {
	case xds.V6Only:
		return resultOf(&aaaa)
	case xds.Auto:
		return preferred(&aaaa, &a, rules)
	case xds.V4Preferred:
		return preferred(&a, &aaaa, rules)
	case xds.AllFamilies:
		return both(&a, &aaaa, rules)
	}
	return resultOf(&a)
}

func resultOf(a *Answer) Result {
	if a.failed() {
		return Result{Failed: true, TimedOut: a.Code == Timeout}
	}
	return Result{Addresses: a.Addresses, TTL: a.TTL}
}

// preferred asks for the second family when the first has no address.
func preferred(first, second *Answer, rules xds.Rules) Result {
	if !first.failed() && len(first.Addresses) > 0 {
		return resultOf(first)
	}
	return both(first, second, rules)
}

func both(a, b *Answer, rules xds.Rules) Result {
	x, y := resultOf(a), resultOf(b)
	switch {
	case x.Failed && y.Failed:
		return Result{Failed: true, TimedOut: x.TimedOut || y.TimedOut}
	case len(x.Addresses) == 0 && len(y.Addresses) == 0:
		return Result{Failed: (x.Failed || y.Failed) && rules.DualDNSFailureKeepsHosts}
	case len(x.Addresses) == 0:
		return y
	case len(y.Addresses) == 0:
		return x
	}
	return Result{Addresses: slices.Concat(x.Addresses, y.Addresses), TTL: min(x.TTL, y.TTL)}
}

// Resolver has the names of one cluster. It is a plain value; Clone gives an
// independent copy.
type Resolver struct {
	cfg     xds.DNS
	kind    Kind
	rules   xds.Rules
	names   []name
	backOff time.Duration // of the next failure, whichever name it is of
}

// name is one name of a cluster.
type name struct {
	next      int64
	asked     int64 // when the look-up began that is not answered yet
	tries     int   // of it
	addresses []netip.Addr
}

// New asks for every name at the instant at which the cluster is constructed.
func New(cfg xds.DNS, kind Kind, rules xds.Rules, names int, constructed int64) Resolver {
	r := Resolver{cfg: cfg, kind: kind, rules: rules, names: make([]name, names), backOff: cfg.FailureBase}
	for i := range r.names {
		r.names[i].next = constructed
	}
	return r
}

// Clone returns an independent copy.
func (r *Resolver) Clone() Resolver {
	c := *r
	c.names = slices.Clone(r.names)
	return c
}

// Next is which name is asked for next, and when.
func (r *Resolver) Next() (name int, at int64) {
	at = math.MaxInt64
	for i := range r.names {
		if r.names[i].next < at {
			name, at = i, r.names[i].next
		}
	}
	return name, at
}

// Addresses are those that the name stands for, in the order of the last answer
// that had something to say, each of them once. They are not the caller's to change.
func (r *Resolver) Addresses(name int) []netip.Addr { return r.names[name].addresses }

// failed reports whether the result says nothing about the name. A logical DNS
// cluster does not take an empty answer.
//
// Rule: RuleLogicalDNSEmpty.
func (r *Resolver) failed(res *Result) bool {
	return res.Failed || r.kind == Logical && len(res.Addresses) == 0
}

// Window is how many milliseconds the draw after this result is from, 0: none.
//
// Rule: RuleDNSJitter, RuleDNSFailureRefresh.
func (r *Resolver) Window(res Result) uint64 {
	d := r.cfg.Jitter
	if r.failed(&res) {
		d = r.backOff
	}
	return uint64(d / time.Millisecond)
}

// Without an answer, c-ares asks again 5, 13 and 28 s after it first asked, and
// gives up after 62 s. Measured with 1.36.2 and 1.40.0; it doubles its patience of
// 5 s at each try and shortens it by chance, by up to 2 s at the third and 3 s at
// the fourth.
var tries = [...]time.Duration{0, 5 * time.Second, 13 * time.Second, 28 * time.Second}

const givesUp = 62 * time.Second

// soonest is the shortest time between two look-ups of a name: a timer's step.
const soonest = time.Millisecond

// Answered takes the result of asking for a name, and decides when it is asked for
// next; draw is below Window. It reports whether the name stands for other
// addresses than before.
//
// Rule: RuleDNSTries, RuleDNSFailureKeeps.
func (r *Resolver) Answered(now int64, name int, res Result, draw uint64) (changed bool) {
	n := &r.names[name]
	if n.tries == 0 {
		n.asked = now
	}
	if n.tries++; res.TimedOut && n.tries < len(tries) {
		n.next = n.asked + int64(tries[n.tries])
		return false
	}
	n.tries = 0
	if res.TimedOut {
		now = n.asked + int64(givesUp)
	}
	if r.failed(&res) {
		n.next = now + int64(max(soonest, r.failureRefresh(draw)))
		return false
	}
	changed = r.take(n, res.Addresses)
	n.next = now + int64(max(soonest, r.refresh(res)+time.Duration(draw)*time.Millisecond))
	r.backOff = r.cfg.FailureBase
	return changed
}

// take keeps the addresses of an answer. A logical DNS host is another one when
// any address of the list or their order differs; up to Envoy 1.38 the first
// address alone counted.
//
// Rule: RuleLogicalDNSList.
func (r *Resolver) take(n *name, addresses []netip.Addr) bool {
	old := n.addresses
	n.addresses = nil
	for _, a := range addresses {
		if !slices.Contains(n.addresses, a) {
			n.addresses = append(n.addresses, a)
		}
	}
	if r.kind == Logical && !r.rules.LogicalDNSReplacesHost {
		return len(old) == 0 || old[0] != n.addresses[0]
	}
	return !slices.Equal(old, n.addresses)
}

// refresh is how long an answer is good for: the shortest TTL of its addresses, if
// that counts and there is one, else the cluster's rate.
//
// Rule: RuleDNSRefresh.
func (r *Resolver) refresh(res Result) time.Duration {
	if r.cfg.RespectTTL && len(res.Addresses) > 0 && res.TTL > 0 {
		return res.TTL
	}
	return r.cfg.RefreshRate
}

// failureRefresh is how long after a failure the name is asked for again: the
// cluster's rate, without jitter, or a draw from a window that doubles.
//
// Rule: RuleDNSFailureRefresh.
func (r *Resolver) failureRefresh(draw uint64) time.Duration {
	if r.cfg.FailureBase == 0 {
		return r.cfg.RefreshRate
	}
	r.backOff = min(2*r.backOff, max(r.cfg.FailureMax, r.cfg.FailureBase))
	return time.Duration(draw) * time.Millisecond
}
