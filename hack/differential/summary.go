package main

import (
	"fmt"
	"os"
	"time"

	"github.com/faildrill/faildrill/harness/differential"
)

// summary is what a campaign came to.
type summary struct {
	seed                           uint64
	from                           int
	envoy                          string
	drills, decisions              int
	accepted, undecided, divergent int
	took                           time.Duration
}

func (s *summary) add(v *differential.Verdict) {
	s.drills++
	s.decisions += v.Decisions()
	switch {
	case v.Divergence != nil:
		s.divergent++
	case v.Undecided != "":
		s.undecided++
	default:
		s.accepted++
	}
}

// rate is drills a minute.
func (s *summary) rate() float64 { return float64(s.drills) / s.took.Minutes() }

func (s *summary) line() string {
	rate := ""
	if s.took > 0 {
		rate = fmt.Sprintf(", %.0f drills/min", s.rate())
	}
	return fmt.Sprintf("seed %d, Envoy %s: %d drills, %d decisions%s, %d accepted, %d undecided, %d divergent",
		s.seed, s.envoy, s.drills, s.decisions, rate, s.accepted, s.undecided, s.divergent)
}

// head is the document that rows are added to.
const head = `# Engine against Envoy, at random

Random small drills, many at once on one unmodified Envoy; check.Accept holds every
pick, every ejection and return, and what followed from every attempt against the
engine. Decisions are those of drills that were decided. A row is a run, and
repeats with

    make differential SEED=1 N=2000 ENVOY=1.40

whose drills are the same; what chance and the clock make of them is not.

| seed | drills | Envoy | accepted | undecided | divergent | decisions | drills/min |
|---:|---|---|---:|---:|---:|---:|---:|
`

// write adds a row to the document, and makes it if there is none.
func (s *summary) write(path string) error {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		b, err = []byte(head), nil
	}
	if err != nil {
		return err
	}
	row := fmt.Sprintf("| %d | %d to %d | %s | %d | %d | %d | %d | %.0f |\n",
		s.seed, s.from, s.from+s.drills-1, s.envoy, s.accepted, s.undecided, s.divergent, s.decisions, s.rate())
	return os.WriteFile(path, append(b, row...), 0o644)
}
