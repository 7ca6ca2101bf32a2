package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
)

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err io.Writer
	code     codes
}

// inputFlags are what plan, run and lint have in common.
type inputFlags struct {
	profile  string
	seed     uint64
	client   string
	duration time.Duration
	output   string
}

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:           "faildrill",
		Short:         "Rehearse the failover of an Istio mesh",
		Long:          "faildrill takes the ServiceEntry, DestinationRule and VirtualService files that you have, fakes the regions\nbehind them, breaks one, and says what the clients will feel, and which field decides it.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nsee: %s --help", err, cmd.CommandPath())}
	})
	c.AddCommand(a.plan(), a.run(), a.lint(), a.judge(), a.replay(), a.list(), a.schema(), a.explain(), a.fetch(), a.doctor(), a.kind(), a.images(), a.endpoints(), a.clean())
	return c
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

func (f *inputFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.profile, "profile", "", `releases whose rules are followed: "1.31", or "istio=1.31,envoy=1.40" (default: the scenario's own, else 1.31)`)
	c.Flags().Uint64Var(&f.seed, "seed", 1, "seed of everything that is left to chance")
	c.Flags().StringVar(&f.client, "client", "", "the client of plain Istio YAML: locality=us-east1/a,namespace=default,labels=app=x;version=v1 (default: one in each region)")
	c.Flags().DurationVar(&f.duration, "duration", 0, "let scenarios last this long instead")
	c.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
}

// knownOutput checks the word after --output.
func knownOutput(output string) error {
	if output != "text" && output != "json" {
		return usageError{fmt.Errorf("unknown output %q; expected text or json", output)}
	}
	return nil
}

// options reads the flags.
func (f *inputFlags) options() (harness.Options, error) {
	o := harness.Options{Seed: f.seed, Duration: f.duration}
	if err := knownOutput(f.output); err != nil {
		return o, err
	}
	if f.duration < 0 || f.duration > 24*time.Hour {
		return o, usageError{fmt.Errorf("a duration of %v; expected more than 0s, at most 24h", f.duration)}
	}
	if f.profile != "" {
		p, err := istio.ParseProfile(f.profile)
		if err != nil {
			return o, usageError{fmt.Errorf("--profile: %w", err)}
		}
		o.Profile = &p
	}
	if f.client != "" {
		c, err := clientOverride(f.client)
		if err != nil {
			return o, usageError{fmt.Errorf("--client: %w", err)}
		}
		o.Client = c
	}
	return o, nil
}

// clientOverride reads locality=...,namespace=...,labels=k=v;k=v.
func clientOverride(s string) (*schedule.ClientOverride, error) {
	c := &schedule.ClientOverride{}
	for _, part := range strings.Split(s, ",") {
		k, v, ok := strings.Cut(part, "=")
		if !ok || v == "" {
			return nil, fmt.Errorf("%q; expected locality=..., namespace=... or labels=key=value;key=value", part)
		}
		switch k {
		case "locality":
			c.Locality = v
		case "namespace":
			c.Namespace = v
		case "labels":
			c.Labels = map[string]string{}
			for _, l := range strings.Split(v, ";") {
				key, val, ok := strings.Cut(l, "=")
				if !ok {
					return nil, fmt.Errorf("label %q; expected key=value", l)
				}
				c.Labels[key] = val
			}
		default:
			return nil, fmt.Errorf("unknown key %q; expected locality, namespace or labels", k)
		}
	}
	return c, nil
}

// load reads the inputs, and says what was taken from the embedded tree.
func (a *app) load(paths []string) ([]*scenario.Input, error) {
	files := scenario.Disk()
	files.Stdin = a.in
	files.Checks = scenario.Checks{CEL: check.CompileCEL, Profile: func(text string) error {
		_, err := istio.ParseProfile(text)
		return err
	}}
	inputs, err := scenario.Load(files, paths)
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		for _, e := range in.Embedded {
			fmt.Fprintf(a.err, "%s (embedded)\n", e)
		}
	}
	return inputs, nil
}

// warn prints what is accepted and does not do what it seems to, and what is skipped.
func (a *app) warn(inputs []*scenario.Input) {
	for _, in := range inputs {
		for _, w := range in.Warnings {
			fmt.Fprintf(a.err, "warning: %s\n", w)
		}
		for _, k := range sortedKeys(in.Skipped) {
			fmt.Fprintf(a.err, "skipped %d of kind %s\n", in.Skipped[k], k)
		}
	}
}

func (a *app) drills(paths []string, f *inputFlags) ([]*schedule.Drill, error) {
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	inputs, err := a.load(paths)
	if err != nil {
		return nil, err
	}
	a.warn(inputs)
	return harness.Drills(inputs, o)
}

func (a *app) json(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// style fits the text to where it goes: no colour off a terminal or with NO_COLOR.
func (a *app) style() report.Style {
	s := report.Style{Width: 100}
	f, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w >= 60 {
		s.Width = min(w, 140)
	}
	return s
}

// needFiles is the argument check of commands that read files.
func needFiles(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("no input; expected files or folders with Istio YAML or scenarios, or - for standard input")}
	}
	return nil
}
