package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness"
)

// replayFlags are those of replay.
type replayFlags struct {
	play     bool
	parallel int
	dir      string
	output   string
	junit    string
}

func (a *app) replay() *cobra.Command {
	var f replayFlags
	c := &cobra.Command{
		Use:   "replay DIR...",
		Short: "Show what a stored run did, judged anew, or play it again",
		Long: "replay reads run folders, holds what their traces recorded against the model and the expectations, and reports it\n" +
			"as run did: the first thing that the model does not permit, what it permits there, and why. Nothing is played,\n" +
			"and nothing in a folder changes. Where the verdict is another than the stored one, it says so.\n\n" +
			"With --play the same drills are played again: their seed, scale and profile, the backend, the control plane and the\n" +
			"release of Envoy are those of the folder, and it needs no other file.\n\n" +
			"Exit code: that of the run; 2 when a folder is none, is incomplete, or is of another version.",
		Args: needFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := knownOutput(f.output); err != nil {
				return err
			}
			if err := writable(f.junit); err != nil {
				return usageError{fmt.Errorf("--junit: %w", err)}
			}
			dirs, err := runFolders(args)
			if err != nil {
				return err
			}
			if f.play {
				return a.playAgain(cmd.Context(), dirs, &f)
			}
			return a.lookAgain(dirs, &f)
		},
	}
	c.Flags().BoolVar(&f.play, "play", false, "play the drills again, too, as they were played")
	c.Flags().IntVarP(&f.parallel, "parallel", "j", 16, "with --play: drills side by side")
	c.Flags().StringVar(&f.dir, "dir", "", "with --play: folder for the new runs (default .faildrill/runs/TIME-NAME)")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
	c.Flags().StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	return c
}

// needFolders is the argument check of commands that read run folders.
func needFolders(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("no run folder; expected one that faildrill run made")}
	}
	return nil
}

// runFolders are the run folders at or below the paths.
func runFolders(paths []string) ([]string, error) {
	var all []string
	for _, p := range paths {
		dirs, err := harness.RunFolders(filepath.Clean(p))
		if err != nil {
			return nil, err
		}
		all = append(all, dirs...)
	}
	return all, nil
}

// lookAgain judges the runs of the folders and reports them.
func (a *app) lookAgain(dirs []string, f *replayFlags) error {
	began := time.Now()
	debug.SetGCPercent(400) // a trace lives for a moment, and there are as many as cores
	again := make([]harness.Replayed, len(dirs))
	errs := make([]error, len(dirs))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, d := range dirs {
		slots <- struct{}{}
		wg.Go(func() {
			again[i], errs[i] = harness.Replay(d)
			<-slots
		})
	}
	wg.Wait()
	played := make([]harness.Played, 0, len(dirs))
	for i := range again {
		if errs[i] != nil {
			return errs[i]
		}
		played = append(played, again[i].Played)
	}
	for i := range again {
		if r := &again[i]; !r.Same {
			fmt.Fprintf(a.err, "%s: not what is stored: %s, and was %s; its files, or faildrill itself, have changed since\n", dirs[i], r.Verdict, r.Stored)
		}
	}
	fmt.Fprintf(a.err, "judged again: %d in %.2f s\n", len(dirs), time.Since(began).Seconds())
	return a.reportRuns(played, f.output, f.junit)
}

// playAgain plays the drills of the folders as they were played.
func (a *app) playAgain(ctx context.Context, dirs []string, f *replayFlags) error {
	if f.parallel < 1 || f.parallel > 1000 {
		return usageError{fmt.Errorf("-j %d; expected 1 to 1000", f.parallel)}
	}
	var parts []part
	for _, dir := range dirs {
		s, err := harness.Reload(dir)
		if err != nil {
			return err
		}
		p, err := partOf(ctx, s)
		if err != nil {
			return fmt.Errorf("playing %s again: %w", dir, err)
		}
		parts = append(parts, p)
	}
	drills := drillsOf(parts)
	for i, name := range folderNames(drills) {
		parts[i].folder = name
	}
	root := f.dir
	if root == "" {
		root = harness.DefaultRoot(time.Now(), drills[0].Name)
	}
	for _, dir := range dirs {
		for _, p := range parts {
			if sameFolder(dir, filepath.Join(root, p.folder)) {
				return usageError{fmt.Errorf("--dir: the new run would replace %s, which it repeats; expected another folder", dir)}
			}
		}
	}
	if err := harness.NewRoot(root); err != nil {
		return err
	}
	played, err := a.playAll(ctx, parts, root, f.parallel, false)
	if err != nil {
		return err
	}
	return a.reportRuns(played, f.output, f.junit)
}

// partOf is a stored drill with the backend that played it: what its flags say is
// what they say to run.
func partOf(ctx context.Context, s harness.Stored) (part, error) {
	var f runFlags
	c := &cobra.Command{}
	f.register(c)
	if err := c.ParseFlags(s.Flags); err != nil {
		return part{}, usageError{fmt.Errorf("it was played with other flags than there are now: %w", err)}
	}
	if err := f.check(); err != nil {
		return part{}, err
	}
	f.scale = s.Scale
	parts, err := f.cast(ctx, drillsOf([]part{{drill: s.Drill}}))
	if err != nil {
		return part{}, err
	}
	return parts[0], nil
}

func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
