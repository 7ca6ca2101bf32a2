package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/faildrill/faildrill/harness/differential"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// stored reads the schedule of a drill that was kept.
func stored(folder string) (*schedule.Schedule, error) {
	f, err := os.Open(filepath.Join(folder, "schedule.json"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return schedule.Read(f)
}

// judge judges the trace of a drill that was kept.
func judge(folder string) (diverged bool, err error) {
	s, err := stored(folder)
	if err != nil {
		return false, err
	}
	f, err := os.Open(filepath.Join(folder, "trace.jsonl"))
	if err != nil {
		return false, err
	}
	defer f.Close()
	t, err := trace.Read(f)
	if err != nil {
		return false, err
	}
	v := differential.Judge(s, t)
	fmt.Print(words(&v))
	return v.Divergence != nil, nil
}

// replay plays copies of one drill at once, and says what became of each.
func (p *player) replay(ctx context.Context, o *options) (diverged bool, err error) {
	s, err := stored(o.replay)
	if err != nil {
		return false, err
	}
	s.Profile = p.profile
	parts := make([]*schedule.Schedule, o.times)
	for i := range parts {
		parts[i] = s
	}
	b, err := p.play(ctx, parts, o.seed)
	if err != nil {
		return false, err
	}
	for i := range b.verdicts {
		fmt.Printf("%d: %s", i, words(&b.verdicts[i]))
		if b.verdicts[i].Divergence == nil && !o.keep {
			continue
		}
		diverged = diverged || b.verdicts[i].Divergence != nil
		if err := keep(filepath.Join(o.replay, fmt.Sprintf("again-%d", i)), s, b.traces[i], &b.verdicts[i]); err != nil {
			return false, err
		}
	}
	return diverged, nil
}

// words say a verdict in a line.
func words(v *differential.Verdict) string {
	switch d := v.Divergence; {
	case d != nil:
		return fmt.Sprintf("diverged at %.6f s: %s: permitted %s, observed %s\n", d.At, d.Decision, d.Permitted, d.Observed)
	case v.Undecided != "":
		return "undecided: " + v.Undecided + "\n"
	}
	return fmt.Sprintf("accepted, %d decisions\n", v.Decisions())
}
