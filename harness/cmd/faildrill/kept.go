package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/kept"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

// keptRuns are the registry and what is in it.
func keptRuns() (kept.Registry, []kept.Entry, error) {
	r, err := kept.Default()
	if err != nil {
		return r, nil, environmentError{err}
	}
	es, err := r.List()
	if err != nil {
		return r, nil, environmentError{err}
	}
	return r, es, nil
}

// keptLines are the kept runs as doctor prints them.
func keptLines() []string {
	_, es, err := keptRuns()
	if err != nil {
		return nil // there is no cache, which doctor says itself
	}
	var lines []string
	for _, e := range es {
		lines = append(lines, e.String())
	}
	return lines
}

// keeping is the backend that keeps its runs; the folder is that of the run.
func keeping(b backend.Backend, folder string) (backend.Backend, error) {
	r, err := kept.Default()
	if err != nil {
		return nil, environmentError{err}
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, environmentError{err}
	}
	if e, ok := b.(localenvoy.Backend); ok {
		return e.Keeping(r, abs), nil
	}
	return b, nil
}

// sayKept tells which runs of a folder go on, and what to do with them.
func (a *app) sayKept(root string) error {
	_, es, err := keptRuns()
	if err != nil {
		return err
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return environmentError{err}
	}
	for _, e := range es {
		if strings.HasPrefix(e.Folder, abs+string(filepath.Separator)) {
			fmt.Fprintf(a.err, "kept for %v: %s\n  faildrill endpoints %s\n  faildrill clean %s\n", kept.For, e.Scenario, e.ID, e.ID)
		}
	}
	return nil
}

// named are the kept runs that a word means; none is the user's mistake.
func named(es []kept.Entry, word string) ([]kept.Entry, error) {
	found := kept.Find(es, word)
	if len(found) == 0 {
		return nil, usageError{fmt.Errorf("no kept run %q; %s", word, there(es))}
	}
	return found, nil
}

// there says which kept runs there are.
func there(es []kept.Entry) string {
	if len(es) == 0 {
		return "none is kept"
	}
	var ids []string
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	return "kept are " + strings.Join(ids, ", ")
}

func (a *app) clean() *cobra.Command {
	var list bool
	var cluster clusterFlags
	c := &cobra.Command{
		Use:   "clean [RUN...]",
		Short: "End kept runs, and remove what killed ones left",
		Long: "clean ends the runs that faildrill run --keep left standing: all of them, or those that are named by their name,\n" +
			"scenario or folder. Their run folders stay. It also removes what runs left on a cluster or in Docker that were\n" +
			"killed, as their journals have it: of all of them, or of the scenarios that are named. A run that goes on is left\n" +
			"alone.\n\n" +
			"With --context and --namespace it removes all that any run left in that namespace of your own cluster, also one of\n" +
			"another machine: only when nobody plays there.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cluster.given() {
				return a.cleanCluster(cmd.Context(), &cluster, args)
			}
			r, es, err := keptRuns()
			if err != nil {
				return err
			}
			left, err := leftBehind()
			if err != nil {
				return err
			}
			if list {
				for _, e := range es {
					fmt.Fprintln(a.out, e)
				}
				for _, l := range left {
					fmt.Fprintf(a.out, "%s: killed, %s\n", l.Run, whatIsLeft(l))
				}
				return nil
			}
			ends, undone := es, left
			if len(args) > 0 {
				ends, undone = nil, nil
				for _, word := range args {
					of := ofRun(left, word)
					undone = append(undone, of...)
					found, err := named(es, word)
					if err != nil && len(of) == 0 {
						return err
					}
					ends = append(ends, found...)
				}
			}
			for _, e := range ends {
				if err := r.End(cmd.Context(), e); err != nil {
					return environmentError{err}
				}
				fmt.Fprintf(a.out, "ended %s\n", e.ID)
			}
			return a.undo(cmd.Context(), undone)
		},
	}
	cluster.register(c)
	c.Flags().BoolVar(&list, "list", false, "list the kept runs and the killed ones, and clean nothing")
	return c
}

func (a *app) endpoints() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "endpoints [RUN]",
		Short: "Show the endpoints of a kept run, or of a stored one",
		Long: "endpoints shows the endpoints of the proxies of a run that was kept with --keep, as they are now, and beside them\n" +
			"what istioctl proxy-config endpoints says of the same proxies. RUN is the name, the scenario or the folder of a kept\n" +
			"run, or the folder of a stored one, of which the last table is shown. Without RUN it is the only kept run, or the\n" +
			"newest run in .faildrill/runs.\n\n" +
			"Exit code: 0, or 4 when the two disagree.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			ts, err := tables(cmd.Context(), args)
			if err != nil {
				return err
			}
			for _, t := range ts {
				if len(t.Differences) > 0 {
					a.code.add(codeInconclusive)
				}
			}
			if output == "json" {
				return a.json(result.Document[result.Table]{Schema: result.EndpointsSchema, Results: ts})
			}
			for i, t := range ts {
				if i > 0 {
					fmt.Fprintln(a.out)
				}
				if err := report.Endpoints(a.out, t); err != nil {
					return environmentError{err}
				}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

// tables are those of the run that is meant; of a folder with several runs all.
func tables(ctx context.Context, args []string) ([]result.Table, error) {
	r, es, err := keptRuns()
	if err != nil {
		return nil, err
	}
	switch {
	case len(args) == 1 && len(kept.Find(es, args[0])) > 0:
		es = kept.Find(es, args[0])
	case len(args) == 1:
		if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{fmt.Errorf("no run %q: there is no such folder, and %s", args[0], there(es))}
		}
		return storedTables(args[0])
	case len(es) == 0:
		newest, err := newestRun()
		if err != nil {
			return nil, err
		}
		return storedTables(newest)
	}
	if len(es) > 1 {
		return nil, usageError{fmt.Errorf("several runs are meant; %s", there(es))}
	}
	path := ""
	if b, err := binaries.Istioctl(); err == nil {
		path = b.Path
	}
	t, err := harness.KeptEndpoints(ctx, r, es[0], path)
	if err != nil {
		return nil, environmentError{err}
	}
	return []result.Table{t}, nil
}

func storedTables(path string) ([]result.Table, error) {
	dirs, err := harness.RunFolders(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	var ts []result.Table
	for _, d := range dirs {
		t, err := harness.StoredEndpoints(d)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

// newestRun is the folder of the last run below the default root.
func newestRun() (string, error) {
	root := filepath.Dir(harness.DefaultRoot(time.Now(), "run"))
	dirs, err := os.ReadDir(root) // by name, which begins with the time
	if err != nil || len(dirs) == 0 {
		return "", usageError{fmt.Errorf("no run is kept, and none is stored in %s; name a folder", root)}
	}
	return filepath.Join(root, dirs[len(dirs)-1].Name()), nil
}
