package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// runFlags are what only run has.
type runFlags struct {
	inputFlags
	on           string
	controlPlane string
	envoy        string
	parallel     int
	scale        float64
	dir          string
	junit        string
	fix          bool
	keep         bool
	loopback     bool
	cluster      clusterFlags
}

func (a *app) run() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE...",
		Short: "Play drills and say what came out",
		Long: "run plays drills on a backend, and judges them by their expectations; without any, by whether clients still fail\n" +
			"after the drill has settled. Everything about a run is kept in a folder: see judge and replay.\n\n" +
			"model is the prediction alone, in virtual time; inproc has real sockets, and the engine for a proxy; envoy is real\n" +
			"Envoy, which faildrill doctor says how to get; kind is a cluster of this machine (faildrill kind up), and cluster is your\n" +
			"own: a namespace that is made for drills, named by --context and --namespace (faildrill doctor looks at it).\n\n" +
			"Exit code: 0 passed, 1 an expectation failed, 2 bad input or a rejected configuration, 3 something broke underneath,\n" +
			"4 inconclusive, 5 the run did something that the model does not permit, 130 interrupted.",
		Args: needFiles,
		RunE: func(cmd *cobra.Command, args []string) error { return a.play(cmd.Context(), args, &f) },
	}
	f.register(c)
	return c
}

func (f *runFlags) register(c *cobra.Command) {
	f.inputFlags.register(c)
	c.Flags().StringVar(&f.on, "on", "inproc", "backend: model, inproc, envoy, kind or cluster")
	f.cluster.registerImage(c)
	c.Flags().StringVar(&f.controlPlane, "control-plane", string(localenvoy.Istiod), "where Envoy's configuration comes from: istiod, or builtin for the prediction of it")
	c.Flags().StringVar(&f.envoy, "envoy", "", "releases of Envoy to play on, as 1.36,1.40 (default: the drill's own, else the newest in the cache)")
	c.Flags().IntVarP(&f.parallel, "parallel", "j", 16, "drills side by side")
	c.Flags().Float64Var(&f.scale, "scale", 1, "play so many times as fast, if the model shows that the story stays the same")
	c.Flags().StringVar(&f.dir, "dir", "", "folder for the runs, one folder a drill (default .faildrill/runs/TIME-NAME)")
	c.Flags().StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	c.Flags().BoolVar(&f.keep, "keep", false, "leave the proxies standing after the drill, for an hour: see endpoints and clean")
	c.Flags().BoolVar(&f.loopback, "loopback", false, "play on Envoy without namespaces, with --control-plane builtin; by itself where there are none")
	c.Flags().BoolVar(&f.fix, "fix", false, "play with the change that plan proposes, and judge by the outcome")
}

func (f *runFlags) check() error {
	if !slices.Contains(backends, f.on) {
		return usageError{fmt.Errorf("unknown backend %q; expected one of %v", f.on, backends)}
	}
	if c := localenvoy.ControlPlane(f.controlPlane); c != localenvoy.Istiod && c != localenvoy.Builtin {
		return usageError{fmt.Errorf("unknown control plane %q; expected %s or %s", f.controlPlane, localenvoy.Istiod, localenvoy.Builtin)}
	}
	if f.on == usercluster.Name {
		if err := f.cluster.check("--on cluster"); err != nil {
			return err
		}
	} else if f.cluster.given() {
		return usageError{fmt.Errorf("--context, --namespace, --kubeconfig and --image are for --on cluster, found --on %s", f.on)}
	}
	if f.keep && f.on != "envoy" {
		return usageError{fmt.Errorf("--keep with --on %s; only runs on envoy can be kept", f.on)}
	}
	if f.loopback && (f.on != "envoy" || f.keep) {
		return usageError{fmt.Errorf("--loopback is for --on envoy without --keep: what is kept has namespaces of its own")}
	}
	if f.parallel < 1 || f.parallel > 1000 {
		return usageError{fmt.Errorf("-j %d; expected 1 to 1000", f.parallel)}
	}
	if !(f.scale >= 1 && f.scale <= 1000) {
		return usageError{fmt.Errorf("--scale %v; expected 1 to 1000", f.scale)}
	}
	return nil
}

func (a *app) play(ctx context.Context, args []string, f *runFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	drills, err := a.drills(args, &f.inputFlags)
	if err != nil {
		return err
	}
	if f.fix {
		if drills, err = a.repaired(drills); err != nil {
			return err
		}
	}
	parts, err := f.cast(ctx, drills)
	if err != nil {
		return err
	}
	root := f.dir
	if root == "" {
		root = harness.DefaultRoot(time.Now(), drills[0].Name)
	}
	// Before anything runs: a result that cannot be written is no result.
	if err := writable(f.junit); err != nil {
		return usageError{fmt.Errorf("--junit: %w", err)}
	}
	if err := harness.NewRoot(root); err != nil {
		return err
	}
	played, err := a.playAll(ctx, parts, root, f.parallel, f.keep)
	if err != nil {
		return err
	}
	if f.keep {
		if err := a.sayKept(root); err != nil {
			return err
		}
	}
	return a.reportRuns(played, f.output, f.junit)
}

// writable reports why a file cannot be written, and leaves it as it is.
func writable(name string) error {
	if name == "" {
		return nil
	}
	_, err := os.Stat(name)
	missing := errors.Is(err, fs.ErrNotExist)
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	err = w.Close()
	if missing {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// repaired are the drills with the proposed changes made. Their expectations
// were about the configuration as it was, and are dropped.
func (a *app) repaired(drills []*schedule.Drill) ([]*schedule.Drill, error) {
	out := make([]*schedule.Drill, 0, len(drills))
	for _, d := range drills {
		fixed, cause, ok := harness.Repair(d)
		if !ok {
			fmt.Fprintf(a.err, "%s: no change is proposed; played as it is\n", d.Name)
			out = append(out, d)
			continue
		}
		for _, e := range cause.Fix.All() {
			fmt.Fprintf(a.err, "%s: with %s: %s\n", d.Name, e.Field, e.To)
		}
		out = append(out, fixed)
	}
	return out, nil
}

// playAll plays the drills side by side and keeps their order.
func (a *app) playAll(ctx context.Context, parts []part, root string, parallel int, keep bool) ([]harness.Played, error) {
	folders := make([]*harness.Folder, len(parts))
	for i := range parts {
		var err error
		if folders[i], err = harness.NewFolder(root, parts[i].folder); err != nil {
			return nil, err
		}
		if keep {
			if parts[i].backend, err = keeping(parts[i].backend, folders[i].Path()); err != nil {
				return nil, err
			}
		}
	}
	p := newProgress(a.err, len(parts))
	defer p.stop()
	played := make([]harness.Played, len(parts))
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, x := range parts {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.begin(x.drill.Name)
			played[i] = harness.Run(ctx, x.drill, x.backend, harness.RunOptions{Scale: x.scale, Folder: folders[i], Progress: p.event})
			p.done(x.drill.Name, string(played[i].Verdict))
		})
	}
	wg.Wait()
	return played, nil
}

// folderNames are different names for the folders of the drills: what tells two
// drills apart may not be part of a file name, or stand too far behind.
func folderNames(drills []*schedule.Drill) []string {
	names := make([]string, 0, len(drills))
	for _, d := range drills {
		name := harness.FolderName(d.Name)
		for i := 2; slices.Contains(names, name); i++ {
			name = harness.FolderName(fmt.Sprintf("%d-%s", i, d.Name))
		}
		names = append(names, name)
	}
	return names
}

// reportRuns prints what came out, and sets the exit code.
func (a *app) reportRuns(played []harness.Played, output, junit string) error {
	runs := make([]result.Run, 0, len(played))
	for i := range played {
		runs = append(runs, played[i].Run)
		a.code.add(codeOfRun(&played[i]))
	}
	if junit != "" {
		w, err := os.Create(junit)
		if err != nil {
			return environmentError{fmt.Errorf("writing the JUnit report: %w", err)}
		}
		if err := report.JUnit(w, runs, time.Now()); err != nil {
			return environmentError{fmt.Errorf("writing the JUnit report: %w", err)}
		}
		if err := w.Close(); err != nil {
			return environmentError{fmt.Errorf("writing the JUnit report: %w", err)}
		}
	}
	if output == "json" {
		return a.json(result.Document[result.Run]{Schema: result.RunSchema, Results: runs})
	}
	return report.Runs(a.out, a.style(), runs, func(i int) (*trace.Trace, *trace.Trace) {
		return played[i].Prediction, played[i].Observed
	})
}

func (a *app) judge() *cobra.Command {
	var output, junit string
	c := &cobra.Command{
		Use:   "judge DIR...",
		Short: "Judge stored runs again",
		Long: "judge reads run folders and judges them with the expectations that their scenario.yaml has now; nothing is played.\n" +
			"The verdict in the folder becomes the new one; replay leaves it.\n\n" +
			"Exit code: that of the run; 2 when a folder is none or cannot be read.",
		Args: needFolders,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			if err := writable(junit); err != nil {
				return usageError{fmt.Errorf("--junit: %w", err)}
			}
			dirs, err := runFolders(args)
			if err != nil {
				return err
			}
			played := make([]harness.Played, 0, len(dirs))
			for _, d := range dirs {
				p, err := harness.Rejudge(d)
				if err != nil {
					return err
				}
				played = append(played, p)
			}
			return a.reportRuns(played, output, junit)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	c.Flags().StringVar(&junit, "junit", "", "write JUnit XML to this file")
	return c
}
