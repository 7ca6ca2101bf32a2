package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/differential"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// batch is what came of drills that were played at once.
type batch struct {
	verdicts []differential.Verdict
	traces   []*trace.Trace
	stall    time.Duration
}

// play packs the drills, plays them, and judges each.
func (p *player) play(ctx context.Context, parts []*schedule.Schedule, seed uint64) (*batch, error) {
	pack := differential.Pack(parts, seed)
	var c backend.Collector
	if err := p.backend.Play(ctx, pack.Schedule, &c); err != nil {
		return nil, fmt.Errorf("playing %s on Envoy %s: %w", pack.Schedule.Name, p.envoy.Version, err)
	}
	b := &batch{verdicts: make([]differential.Verdict, len(parts)), traces: pack.Split(&c.Trace), stall: c.Trace.LongestStall()}
	var judging sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		judging.Go(func() {
			for i := range next {
				b.verdicts[i] = differential.Judge(parts[i], b.traces[i])
			}
		})
	}
	for i := range parts {
		next <- i
	}
	close(next)
	judging.Wait()
	return b, nil
}

// campaign plays batches until there are enough or the time is over. What diverged is
// played again by the names that it returns.
func (p *player) campaign(ctx context.Context, o *options) (again []string, err error) {
	begin := time.Now()
	sum := summary{seed: o.seed, from: o.from, envoy: p.envoy.Version}
	for (o.n == 0 || sum.drills < o.n) && (o.time == 0 || time.Since(begin) < o.time) {
		count := o.batch
		if o.n > 0 {
			count = min(count, o.n-sum.drills)
		}
		first := o.from + sum.drills
		name := func(i int) string { return fmt.Sprintf("%d-%d", o.seed, first+i) }
		var parts []*schedule.Schedule
		for i := range count {
			parts = append(parts, differential.Draw(o.seed, uint64(first+i), p.profile))
		}
		began := time.Now()
		b, err := p.play(ctx, parts, o.seed+uint64(sum.drills))
		if err != nil {
			return again, err
		}
		var found []int
		for i := range parts {
			sum.add(&b.verdicts[i])
			folder := filepath.Join(o.out, name(i))
			diverged := b.verdicts[i].Divergence != nil
			if diverged {
				found = append(found, i)
				fmt.Printf("%s %s", folder, words(&b.verdicts[i]))
				again = append(again, name(i))
			}
			if diverged || o.keep {
				if err := keep(folder, parts[i], b.traces[i], &b.verdicts[i]); err != nil {
					return again, err
				}
			}
		}
		sum.took = time.Since(begin)
		fmt.Printf("batch of %d in %v, longest stall %v; %s\n", count, time.Since(began).Round(time.Millisecond), b.stall, sum.line())
		for _, i := range found[:min(len(found), o.shrink)] {
			o.shrink--
			if err := p.shrink(ctx, filepath.Join(o.out, name(i)), parts[i], o.seed); err != nil {
				return again, err
			}
		}
	}
	fmt.Println(sum.line())
	if o.summary != "" {
		if err := sum.write(o.summary); err != nil {
			return again, err
		}
	}
	return again, nil
}

// keep leaves a drill that diverged in a folder.
func keep(folder string, s *schedule.Schedule, t *trace.Trace, v *differential.Verdict) error {
	if err := keepSchedule(folder, s); err != nil {
		return err
	}
	g, err := os.Create(filepath.Join(folder, "trace.jsonl"))
	if err != nil {
		return err
	}
	defer g.Close()
	if err := trace.Write(g, t); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "verdict.txt"), []byte(words(v)), 0o644)
}

func keepSchedule(folder string, s *schedule.Schedule) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, "schedule.json"))
	if err != nil {
		return err
	}
	defer f.Close()
	return s.Save(f)
}
