package check

import (
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// requests checks what became of each request: that it was tried again exactly
// when the policy says so, and that the client got what the last attempt means.
func (a *acceptor) requests() *result.Divergence {
	type key struct{ client, n int32 }
	attempts := map[key][]*trace.Attempt{}
	for i := range a.t.Attempts {
		at := &a.t.Attempts[i]
		k := key{at.Client, at.Request}
		attempts[k] = append(attempts[k], at)
	}
	for i := range a.t.Requests {
		r := &a.t.Requests[i]
		as := attempts[key{r.Client, r.N}]
		slices.SortFunc(as, func(x, y *trace.Attempt) int { return int(x.N - y.N) })
		if d := a.request(r, as); d != nil {
			return d
		}
	}
	return nil
}

func (a *acceptor) request(r *trace.Request, as []*trace.Attempt) *result.Divergence {
	load := &a.s.Clients[r.Client].Load
	route := engine.Route(a.configAt(r.Client, r.Sent), load.Host, load.Port, load.Path)
	if route == nil {
		return nil
	}
	if status := ownStatus(r.Flags); status != 0 && r.Status != 0 && r.Status != status {
		return &result.Divergence{
			At: r.Done.Seconds(), Decision: fmt.Sprintf("answer to request %d", r.N),
			Permitted: fmt.Sprintf("status %d with the flags %s", status, r.Flags), Observed: fmt.Sprintf("status %d", r.Status),
		}
	}
	if len(as) == 0 {
		return nil // no host, or no answer before the first attempt ended
	}
	state := retry.Start(route.Retry)
	for i, at := range as {
		decision := state.Decide(failureOf(at), int(at.Status))
		last := i == len(as)-1
		switch {
		case !last && decision != retry.Again:
			return a.wrong(r, at, "no retry", fmt.Sprintf("attempt %d", as[i+1].N))
		case last && decision == retry.Again && !a.cutShort(r):
			return a.wrong(r, at, "another attempt", "none")
		case last && decision != retry.Again:
			return a.final(r, at, decision)
		}
	}
	return nil
}

// cutShort reports whether something else than the attempts ended the request.
func (a *acceptor) cutShort(r *trace.Request) bool {
	return r.Status == 0 || r.Flags&(trace.FlagUH|trace.FlagUT|trace.FlagDC|trace.FlagUO) != 0
}

// ownStatus is the status with which the proxy answers by itself, by the flag that
// says why; 0 where the flag says nothing of it.
func ownStatus(f trace.Flags) int32 {
	switch {
	case f&(trace.FlagUH|trace.FlagNC) != 0:
		return 503
	case f&trace.FlagNR != 0:
		return 404
	}
	return 0
}

func (a *acceptor) final(r *trace.Request, at *trace.Attempt, d retry.Decision) *result.Divergence {
	if r.Status == 0 || r.Flags&trace.FlagDC != 0 {
		return nil // the client did not see the end
	}
	status, flag := expectedAnswer(at)
	if d == retry.Exhausted {
		flag |= trace.FlagURX
	}
	if r.Status != status || r.Flags != flag {
		return a.wrong(r, at, fmt.Sprintf("status %d, flags %s", status, flag), fmt.Sprintf("status %d, flags %s", r.Status, r.Flags))
	}
	return nil
}

// expectedAnswer is what the client gets when the attempt was the last.
func expectedAnswer(at *trace.Attempt) (int32, trace.Flags) {
	switch at.Result {
	case trace.Answered:
		return at.Status, 0
	case trace.Refused, trace.ConnectTimeout:
		return 503, trace.FlagUF
	case trace.Reset:
		return 503, trace.FlagUC
	case trace.Timeout, trace.PerTryTimeout, trace.Cancelled:
		return 504, trace.FlagUT
	case trace.Overflow:
		return 503, trace.FlagUO
	}
	return 503, trace.FlagUH
}

func failureOf(at *trace.Attempt) retry.Failure {
	switch at.Result {
	case trace.Refused, trace.ConnectTimeout:
		return retry.ConnectFailure
	case trace.Reset:
		return retry.ResetFailure
	case trace.PerTryTimeout:
		return retry.PerTryTimeout
	case trace.Timeout, trace.Overflow, trace.Cancelled, trace.NoHost:
		return retry.OverflowFailure // never retried
	}
	return retry.Response
}

func (a *acceptor) wrong(r *trace.Request, at *trace.Attempt, permitted, observed string) *result.Divergence {
	return &result.Divergence{
		At:        at.Done.Seconds(),
		Decision:  fmt.Sprintf("request %d after attempt %d on %s (%s %d)", r.N, at.N, a.hostName(at.Host), at.Result, at.Status),
		Permitted: permitted, Observed: observed,
	}
}
