package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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

// judge judges the trace of a drill that was kept, or those of all in a folder, and
// adds up what came of them by seed and Envoy.
func judge(ctx context.Context, o *options) (diverged bool, err error) {
	if _, err := os.Stat(filepath.Join(o.judge, "schedule.json")); err == nil {
		v, _, err := judgeOne(o.judge)
		if err == nil {
			fmt.Print(words(&v))
		}
		return v.Divergence != nil, err
	}
	sums := map[string]*summary{}
	err = filepath.WalkDir(o.judge, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "trace.jsonl" {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		folder := filepath.Dir(path)
		v, envoy, err := judgeOne(folder)
		if err != nil {
			return fmt.Errorf("judging %s: %w", folder, err)
		}
		was, _ := os.ReadFile(filepath.Join(folder, "verdict.txt"))
		if now := words(&v); v.Divergence != nil || now != string(was) {
			fmt.Printf("%s %s  it was %s", folder, now, was)
		}
		seed, _, _ := strings.Cut(filepath.Base(folder), "-")
		s := sums[seed+" "+envoy]
		if s == nil {
			s = &summary{envoy: envoy}
			s.seed, _ = strconv.ParseUint(seed, 10, 64)
			sums[seed+" "+envoy] = s
		}
		s.add(&v)
		return nil
	})
	for _, k := range slices.Sorted(maps.Keys(sums)) {
		fmt.Println(sums[k].line())
		diverged = diverged || sums[k].divergent > 0
	}
	return diverged, err
}

// judgeOne judges one trace. It says which Envoy played, too.
func judgeOne(folder string) (v differential.Verdict, envoy string, err error) {
	s, err := stored(folder)
	if err != nil {
		return v, "", err
	}
	f, err := os.Open(filepath.Join(folder, "trace.jsonl"))
	if err != nil {
		return v, "", err
	}
	defer f.Close()
	t, err := trace.Read(f)
	if err != nil {
		return v, "", err
	}
	return differential.Judge(s, t), s.Profile.Envoy, nil
}

// drill is the one that is played again, and where what becomes of it is kept.
func (p *player) drill(o *options) (s *schedule.Schedule, folder string, err error) {
	seed, number, ok := strings.Cut(o.replay, "-")
	a, err1 := strconv.ParseUint(seed, 10, 64)
	b, err2 := strconv.ParseUint(number, 10, 64)
	if ok && err1 == nil && err2 == nil {
		return differential.Draw(a, b, p.profile), filepath.Join(o.out, o.replay), nil
	}
	if s, err = stored(o.replay); err == nil {
		s.Profile = p.profile
	}
	return s, o.replay, err
}

// replay plays copies of one drill at once, and says what became of each.
func (p *player) replay(ctx context.Context, o *options) (diverged bool, err error) {
	s, folder, err := p.drill(o)
	if err != nil {
		return false, err
	}
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
		if err := keep(filepath.Join(folder, fmt.Sprintf("again-%d", i)), s, b.traces[i], &b.verdicts[i]); err != nil {
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
