package main

import (
	"context"
	"fmt"

	"github.com/faildrill/faildrill/harness/differential"
	"github.com/faildrill/faildrill/harness/schedule"
)

const (
	// copies is how often each drill is played that could diverge.
	copies = 4
	// rounds bounds how often a drill is made smaller.
	rounds = 8
	// together is how many are played at once: more would make the proxy late.
	together = 80
)

// smallest makes a drill smaller as long as it diverges in some of its copies. It
// says how many of them did; 0: the drill did not diverge again.
func (p *player) smallest(ctx context.Context, s *schedule.Schedule, seed uint64) (small *schedule.Schedule, again int, err error) {
	counts, err := p.diverging(ctx, []*schedule.Schedule{s}, seed)
	if err != nil || counts[0] == 0 {
		return s, 0, err
	}
	again = counts[0]
	for range rounds {
		candidates := differential.Smaller(s)
		counts, err := p.diverging(ctx, candidates, seed)
		if err != nil {
			return s, again, err
		}
		best := -1
		for i, n := range counts {
			if n > 0 && (best < 0 || n > counts[best]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		s, again = candidates[best], counts[best]
		fmt.Printf("  smaller: %d of %d copies diverge\n", again, copies)
	}
	return s, again, nil
}

// diverging counts in how many copies each of the drills diverges.
func (p *player) diverging(ctx context.Context, drills []*schedule.Schedule, seed uint64) ([]int, error) {
	counts := make([]int, len(drills))
	for from := 0; from < len(drills); from += together / copies {
		some := drills[from:min(len(drills), from+together/copies)]
		var parts []*schedule.Schedule
		for range copies {
			parts = append(parts, some...)
		}
		b, err := p.play(ctx, parts, seed)
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if b.verdicts[i].Divergence != nil {
				counts[from+i%len(some)]++
			}
		}
	}
	return counts, nil
}

// shrink makes a drill that was kept smaller, and keeps that, too.
func (p *player) shrink(ctx context.Context, folder string, s *schedule.Schedule, seed uint64) error {
	small, again, err := p.smallest(ctx, s, seed)
	if err != nil {
		return err
	}
	if again == 0 {
		fmt.Printf("  it did not diverge again in %d plays\n", copies)
		return nil
	}
	return keepSchedule(folder+"-smaller", small)
}
