package inside

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/live"
)

// lookPackedEvery is the time between two looks where a hundred drills have their steps at once.
const lookPackedEvery = 50 * time.Millisecond

// Witness waits until the step shows from the first client's network, past its proxy.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	w := live.Witness{Schedule: p.s, Dial: p.dialPlain, AtWork: p.net.atWork, Met: p.net.met, Taken: p.taken, ShowsTLS: certificates.Shows}
	w.Restarted = p.plane.restarted
	if p.o.Packed {
		w.Every = lookPackedEvery
	}
	return w.See(ctx, step)
}

// taken waits until every proxy has the configuration of a step.
func (p *player) taken(ctx context.Context, step int) (bool, error) {
	for _, x := range p.distinct() {
		if err := x.TakenSince(ctx, x.await, step, quiet); err != nil {
			return false, err
		}
		if err := p.evidence(x, p.s.Steps[step].Config); err != nil {
			return false, err
		}
	}
	return true, nil
}

// dialPlain connects from the first client's network, past its proxy.
func (p *player) dialPlain(ctx context.Context, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return p.proxies[0].net.dialPast(ctx, "tcp", p.place.at(a).String())
}
