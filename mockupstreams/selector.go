package mockupstreams

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// A Selector decides which requests a fault hits. It is the Match of one
// applied fault together with what it has counted so far, and nothing else: no
// clock, no generator, no lock. Its zero value hits every request.
//
// The rules, in the order in which Hit asks them; the first that says no ends
// the question:
//
//  1. over: For has passed (now >= For), First requests have been counted, or
//     UntilSuccesses answers have succeeded. Nothing is counted any more.
//  2. filters: Port, then Path (a prefix), then Headers (all of them, exact).
//     A request that they keep out is not counted.
//  3. counting: the request becomes the n-th that got here, n from 1.
//     Every k takes n = k, 2k, 3k, ...
//  4. chance: below 100 percent one draw is consumed, and hits when
//     draw*100 < Percentage. At 100 percent, or when an earlier rule said no,
//     no draw is consumed. Percentage 0 consumes a draw and never hits.
//
// So First limits the requests that are looked at, not those that are hit:
// first 10 with every 5 hits the 5th and the 10th, first 10 with 50 percent
// about five.
type Selector struct {
	Match

	seen      int
	successes int
}

// Hit says whether the fault hits this request, and counts it. now is the time
// since the fault was applied, port the port that the request came in on,
// header gives a request header's value by its name ("" when absent), and draw
// gives a number in [0, 1) each time that it is called: at most once here.
func (s *Selector) Hit(now time.Duration, port int, path string, header func(string) string, draw func() float64) bool {
	if s.Over(now) || !s.passes(port, path, header) {
		return false
	}
	s.seen++
	if s.Every > 0 && s.seen%s.Every != 0 {
		return false
	}
	return s.Percentage == nil || *s.Percentage >= 100 || draw()*100 < *s.Percentage
}

// Over says that the fault has healed itself: no request can be hit any more.
func (s *Selector) Over(now time.Duration) bool {
	return s.For > 0 && now >= time.Duration(s.For) ||
		s.First > 0 && s.seen >= s.First ||
		s.UntilSuccesses > 0 && s.successes >= s.UntilSuccesses
}

// Succeeded counts one answer of this upstream that succeeded while the fault
// was applied, whether or not the request passed the fault's filters: complete,
// with a status below 500.
func (s *Selector) Succeeded() { s.successes++ }

func (s *Selector) passes(port int, path string, header func(string) string) bool {
	if s.Port != 0 && s.Port != port {
		return false
	}
	if !strings.HasPrefix(path, s.Path) {
		return false
	}
	for name, want := range s.Headers {
		if header(name) != want {
			return false
		}
	}
	return true
}

// NewDraw gives the stream of numbers in [0, 1) that one applied fault draws
// from. Each fault has its own, made of the upstream's seed and the fault's
// name (PCG, the second word being the name's FNV-1a hash), so that a fault
// draws the same numbers whatever else is applied. The function is not safe
// for concurrent use.
//
// A fault that a request hits draws at most twice: once for Percentage (see
// Selector), then once for the jitter of a delay if it has one.
func NewDraw(seed uint64, fault string) func() float64 {
	hash := fnv.New64a()
	hash.Write([]byte(fault))
	return rand.New(rand.NewPCG(seed, hash.Sum64())).Float64
}
