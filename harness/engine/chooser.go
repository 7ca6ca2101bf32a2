package engine

import (
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/priority"
)

// Draw names what chance decides. Each has a stream of numbers of its own, so
// that a drill that gains one kind of draw does not change the others.
type Draw uint8

// The draws.
const (
	DrawSeed     Draw = iota // where a cluster's round robin starts
	DrawLevel                // which priority, by load
	DrawHost                 // which host of a list
	DrawSample               // whether a detection is enforced
	DrawDecay                // whether the back-off decays at the first or the second tick
	DrawBackOff              // the jitter of a retry's back-off
	DrawFault                // which requests a fault meets, and its jitter
	DrawReturn               // which of several hosts returns first at a tick
	DrawOutlier              // which of several hosts a tick ejects first
	DrawJitter               // how long the jitter of an ejection is
	DrawLocality             // which locality of a priority
	DrawLookUp               // the jitter of a name's next look-up
	DrawMerge                // whether a change as the merge window ends is still in it
	DrawAnswer               // which name of a new cluster is answered first
	DrawTimer                // which of several merged updates that are due at once is delivered first
	draws
)

var drawNames = [draws]string{"seed", "level", "host", "sample", "decay", "back-off", "fault", "return", "outlier", "jitter", "locality", "look-up", "merge", "answer", "timer"}

func (d Draw) String() string { return drawNames[d] }

// Question is one choice, with what the options mean.
type Question struct {
	Draw  Draw
	N     uint64  // the answer is below N
	Hosts []int32 // DrawHost, DrawReturn, DrawOutlier: the host behind each answer

	// DrawOutlier: when, and which detector ejects.
	At       int64
	Detector outlier.Type
	Loads    *priority.Loads // DrawLevel: what the answer + 1 is looked up in
	Groups   [][]int32       // DrawLocality: the hosts behind each answer; none: it cannot be the answer
}

// Guide answers questions from an observation instead of by chance. It returns
// false for a question that it has no opinion on.
type Guide interface {
	Answer(Question) (uint64, bool)
}

// Chooser decides everything that Envoy leaves to chance: the seed decides when
// predicting, the observation when accepting. It is a plain value: a copy
// continues on its own with the same numbers.
type Chooser struct {
	streams [draws]uint64
	guide   Guide
}

// NewChooser returns a chooser for the seed.
func NewChooser(seed uint64) Chooser {
	var c Chooser
	for d := range c.streams {
		c.streams[d] = mix(seed + uint64(d+1)*0x9e3779b97f4a7c15)
	}
	return c
}

// Guided returns a copy that asks the guide first.
func (c Chooser) Guided(g Guide) Chooser {
	c.guide = g
	return c
}

// Next answers the question: a number below q.N, which is at least 1.
func (c *Chooser) Next(q Question) uint64 {
	if c.guide != nil {
		if a, ok := c.guide.Answer(q); ok {
			return a
		}
	}
	return c.bits(q.Draw) % q.N
}

// Uniform answers a question that has no more to it than its size.
func (c *Chooser) Uniform(d Draw, n uint64) uint64 {
	if c.guide != nil {
		if a, ok := c.guide.Answer(Question{Draw: d, N: n}); ok {
			return a
		}
	}
	return c.bits(d) % n
}

// Observed answers a question that Envoy does not draw a number for, because
// something that nobody can see decides (the order of a hash table) or because
// an earlier draw does: what was observed, or else the given answer.
func (c *Chooser) Observed(q Question, otherwise uint64) uint64 {
	if c.guide != nil {
		if a, ok := c.guide.Answer(q); ok {
			return a
		}
	}
	return otherwise
}

// level draws what a priority is looked up by, below 100.
func (c *Chooser) level(l *priority.Loads) uint64 {
	if c.guide != nil {
		return c.Next(Question{Draw: DrawLevel, N: 100, Loads: l})
	}
	return c.bits(DrawLevel) % 100
}

// host draws an index into a list of hosts.
func (c *Chooser) host(hosts []int32) int {
	if c.guide != nil {
		return int(c.Next(Question{Draw: DrawHost, N: uint64(len(hosts)), Hosts: hosts}))
	}
	return int(c.bits(DrawHost) % uint64(len(hosts)))
}

// bits is splitmix64: a counter, mixed.
func (c *Chooser) bits(d Draw) uint64 {
	c.streams[d] += 0x9e3779b97f4a7c15
	return mix(c.streams[d])
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
