package report

import (
	"strconv"

	"github.com/faildrill/faildrill/harness/result"
)

// impact is what plans and runs have in common: what happened to the clients.
type impact struct {
	outcome       result.Outcome
	requests      int
	errors        int
	returnErrors  int
	failoverAfter *float64
	returnAfter   *float64
	scale         float64 // 0 or 1: not scaled
	problems      []string
	expected      bool // the outcome is what the expectations say
}

// text says in a few words what the mesh did: capitals and red when clients suffer.
func (im *impact) text() text {
	bad, good := redBold, green
	if im.expected {
		bad = yellow
	}
	lost := func() string { return ", " + percent(im.errors, im.requests) + " errors" }
	if im.requests == 0 {
		lost = func() string { return ", no request" }
	}
	switch im.outcome {
	case result.NoImpact:
		return in(good, "no impact").add(im.cost())
	case result.FailsOver:
		t := in(good, "fails over")
		if im.failoverAfter != nil {
			t = t.add(" after " + moment(*im.failoverAfter, im.scale))
		}
		t = t.add(im.cost())
		if im.returnAfter != nil {
			t = t.add(", back " + moment(*im.returnAfter, im.scale) + " after the heal")
		}
		return t
	case result.Partial:
		return in(bad, "FAILS OVER IN PART").add(lost())
	case result.NeverFailsOver:
		return in(bad, "NEVER FAILS OVER").add(lost())
	case result.TotalLoss:
		return in(bad, "TOTAL LOSS").add(lost() + "; " + im.outcome.Means())
	case result.Rejected:
		t := in(bad, "REJECTED")
		if len(im.problems) > 0 {
			t = t.add(": " + im.problems[0])
		}
		return t
	case "":
		return nil
	}
	return say(string(im.outcome))
}

// cost is the errors of a drill that passes.
func (im *impact) cost() string {
	if im.errors == 0 {
		return ", no error"
	}
	s := ", " + count(im.errors, "error") + " in " + count(im.requests, "request")
	switch {
	case im.returnErrors == im.errors:
		s += ", from returns of the broken endpoint"
	case im.returnErrors > 0:
		s += ", " + strconv.Itoa(im.returnErrors) + " of them from returns of the broken endpoint"
	}
	return s
}

// moment writes a played time as the drill's own.
func moment(played, scale float64) string {
	return seconds(played * scaleOr1(scale))
}

// scaleOr1 is a scale, of which 0 means that nothing was scaled.
func scaleOr1(scale float64) float64 {
	if scale <= 0 {
		return 1
	}
	return scale
}

// faster says that a run was scaled; empty when it was not.
func faster(scale float64) string {
	if scaleOr1(scale) == 1 {
		return ""
	}
	return number(scale) + " times as fast: 1 s played is " + number(scale) + " s of the drill"
}
