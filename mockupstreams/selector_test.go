package mockupstreams

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A seenRequest is what a Selector knows of a request.
type seenRequest struct {
	now    time.Duration
	port   int
	path   string
	canary string
	draw   float64
}

func (r seenRequest) header(name string) string {
	if strings.EqualFold(name, "x-canary") {
		return r.canary
	}
	return ""
}

func TestSelector(t *testing.T) {
	get := func(path string) seenRequest { return seenRequest{port: 80, path: path} }
	at := func(now time.Duration) seenRequest { return seenRequest{now: now, port: 80, path: "/"} }
	drawing := func(draw float64) seenRequest { return seenRequest{port: 80, path: "/", draw: draw} }
	root := get("/")

	for _, test := range []struct {
		name     string
		match    Match
		requests []seenRequest
		want     string // one letter a request: H hit, . not
	}{
		{"no match hits all", Match{}, []seenRequest{root, root}, "HH"},
		{"for ends at its end", Match{For: Duration(time.Second)},
			[]seenRequest{at(0), at(time.Second - 1), at(time.Second), at(time.Hour)}, "HH.."},
		{"path is a prefix", Match{Path: "/api"}, []seenRequest{get("/api/x"), get("/apiary"), get("/"), get("/API")}, "HH.."},
		{"port", Match{Port: 81}, []seenRequest{root, {port: 81}}, ".H"},
		{"headers are exact", Match{Headers: map[string]string{"X-Canary": "yes"}},
			[]seenRequest{root, {canary: "yes"}, {canary: "Yes"}, {canary: "yes "}}, ".H.."},
		{"first", Match{First: 2}, []seenRequest{root, root, root}, "HH."},
		{"every", Match{Every: 3}, []seenRequest{root, root, root, root, root, root}, "..H..H"},
		{"every counts only what passes the filters", Match{Every: 2, Path: "/api"},
			[]seenRequest{get("/api"), root, root, get("/api"), get("/api"), get("/api")}, "...H.H"},
		{"first counts what every leaves out", Match{First: 4, Every: 2}, []seenRequest{root, root, root, root, root, root}, ".H.H.."},
		{"first counts what chance leaves out", Match{First: 2, Percentage: new(50.0)},
			[]seenRequest{drawing(0.9), drawing(0.1), drawing(0.1)}, ".H."},
		{"percentage", Match{Percentage: new(50.0)}, []seenRequest{drawing(0), drawing(0.499), drawing(0.5), drawing(0.999)}, "HH.."},
		{"percentage 0", Match{Percentage: new(0.0)}, []seenRequest{drawing(0), drawing(0.999)}, ".."},
		{"percentage 100 needs no draw", Match{Percentage: new(100.0)}, []seenRequest{drawing(math.NaN())}, "H"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Selector{Match: test.match}
			var got strings.Builder
			for _, r := range test.requests {
				if s.Hit(r.now, r.port, r.path, r.header, func() float64 { return r.draw }) {
					got.WriteByte('H')
				} else {
					got.WriteByte('.')
				}
			}
			if got.String() != test.want {
				t.Errorf("got %s, want %s", &got, test.want)
			}
		})
	}
}

// twin decides about the last of the requests by looking at all of them again,
// sentence by sentence of Selector's documentation. draws says how many draws
// the last one consumes.
func twin(m Match, requests []seenRequest) (hit bool, draws int) {
	last := requests[len(requests)-1]
	if m.For > 0 && last.now >= time.Duration(m.For) {
		return false, 0
	}
	var counted []seenRequest
	for _, r := range requests {
		canary, filtered := m.Headers["x-canary"]
		if (m.Port == 0 || m.Port == r.port) && strings.HasPrefix(r.path, m.Path) && (!filtered || canary == r.canary) {
			counted = append(counted, r)
		}
	}
	n := len(counted)
	if n == 0 || counted[n-1] != last {
		return false, 0
	}
	if m.First > 0 && n > m.First || m.Every > 0 && n%m.Every != 0 {
		return false, 0
	}
	if m.Percentage == nil || *m.Percentage == 100 {
		return true, 0
	}
	return last.draw*100 < *m.Percentage, 1
}

func TestSelectorAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Match{
			First: rapid.IntRange(0, 8).Draw(t, "first"),
			Every: rapid.IntRange(0, 4).Draw(t, "every"),
			For:   Duration(rapid.IntRange(0, 30).Draw(t, "for")),
			Path:  rapid.SampledFrom([]string{"", "/", "/api"}).Draw(t, "path"),
			Port:  rapid.SampledFrom([]int{0, 80}).Draw(t, "port"),
		}
		if rapid.Bool().Draw(t, "canary") {
			m.Headers = map[string]string{"x-canary": "yes"}
		}
		if rapid.Bool().Draw(t, "chance") {
			m.Percentage = new(float64(rapid.IntRange(0, 100).Draw(t, "percentage")))
		}
		s := Selector{Match: m}
		var requests []seenRequest
		for i := range rapid.IntRange(1, 30).Draw(t, "requests") {
			r := seenRequest{
				now:    time.Duration(i), // also what tells requests apart
				port:   rapid.SampledFrom([]int{80, 81}).Draw(t, "on"),
				path:   rapid.SampledFrom([]string{"/", "/api", "/api/x"}).Draw(t, "to"),
				canary: rapid.SampledFrom([]string{"", "yes"}).Draw(t, "with"),
				draw:   rapid.Float64Range(0, 0.999).Draw(t, "draw"),
			}
			requests = append(requests, r)
			draws := 0
			hit := s.Hit(r.now, r.port, r.path, r.header, func() float64 { draws++; return r.draw })
			if want, wantDraws := twin(m, requests); hit != want || draws != wantDraws {
				t.Fatalf("request %d: got %v with %d draws, want %v with %d", i, hit, draws, want, wantDraws)
			}
		}
	})
}

func TestSelectorUntilSuccesses(t *testing.T) {
	s := Selector{Match: Match{UntilSuccesses: 2}}
	hit := func() bool { return s.Hit(0, 80, "/", seenRequest{}.header, nil) }
	for successes := range 2 {
		if !hit() || s.Over(0) {
			t.Fatalf("after %d successes: over, want it at work", successes)
		}
		s.Succeeded()
	}
	if hit() || !s.Over(0) {
		t.Error("after 2 successes: at work, want it over")
	}
}
