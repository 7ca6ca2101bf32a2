package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/report"
)

// topicProfile is the one topic that is a table.
const topicProfile = "profile"

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [TOPIC]",
		Short: "Explain a cause, a fault, an outcome, a verdict, a response flag, a field, or the profiles",
		Long: "explain says what a word of faildrill's output or a field of Istio's API means: what it decides, its default\n" +
			"and since when, and which scenarios teach it. Without a topic it lists them all.\n\n" +
			"  faildrill explain maxEjectionPercent      a field, and a cause\n" +
			"  faildrill explain outlierDetection.interval\n" +
			"  faildrill explain never-fails-over        an outcome\n" +
			"  faildrill explain profile                 which Istio ships which Envoy, and what changed when",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%d topics; expected one", len(args))}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == topicProfile {
				return a.profiles()
			}
			inputs, err := carriedScenarios()
			if err != nil {
				return err
			}
			topics := explain.Topics(inputs)
			if len(args) == 0 {
				return report.TopicList(a.out, a.style(), append(topicsOf(topics), report.Topic{Name: topicProfile, Group: "table"}))
			}
			found, nearest := explain.Find(topics, args[0])
			switch {
			case len(found) > 0:
				return report.Topics(a.out, a.style(), topicsOf(found))
			case nearest != "":
				return usageError{fmt.Errorf("unknown topic %q; did you mean %q?", args[0], nearest)}
			}
			return usageError{fmt.Errorf("unknown topic %q; faildrill explain lists them", args[0])}
		},
	}
}

func topicsOf(topics []explain.Topic) []report.Topic {
	var out []report.Topic
	for _, t := range topics {
		r := report.Topic{Name: t.Name, Group: t.Group, Text: t.Text}
		for _, f := range t.Facts {
			r.Facts = append(r.Facts, report.Fact(f))
		}
		out = append(out, r)
	}
	return out
}

func (a *app) profiles() error {
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ISTIO\tENVOY\tISTIO RULES\tENVOY RULES")
	for _, r := range istio.Profiles() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Istio, r.Envoy, r.IstioMark, r.EnvoyMark)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "SINCE\tRULE\tWHAT CHANGED")
	for _, c := range istio.Changes() {
		fmt.Fprintf(w, "%s %s\t%s\t%s\n", c.Half, c.Since, c.Name, c.What)
	}
	return w.Flush()
}
