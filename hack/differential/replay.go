package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/faildrill/faildrill/harness/schedule"
)

// replay plays copies of one drill at once, and says what became of each.
func (p *player) replay(ctx context.Context, o *options) (diverged bool, err error) {
	path := o.replay
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, "schedule.json")
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	s, err := schedule.Read(f)
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
	for i, v := range b.verdicts {
		switch d := v.Divergence; {
		case d != nil:
			diverged = true
			folder := filepath.Join(filepath.Dir(path), fmt.Sprintf("again-%d", i))
			fmt.Printf("%d diverged at %.3f s: %s: permitted %s, observed %s\n", i, d.At, d.Decision, d.Permitted, d.Observed)
			if err := keep(folder, s, b.traces[i], v); err != nil {
				return false, err
			}
		case v.Undecided != "":
			fmt.Printf("%d undecided: %s\n", i, v.Undecided)
		default:
			fmt.Printf("%d accepted, %d decisions\n", i, v.Decisions())
		}
	}
	return diverged, nil
}
