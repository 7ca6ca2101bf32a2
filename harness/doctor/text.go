package doctor

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Text writes a report as two tables.
func Text(w io.Writer, r Report) error {
	var b strings.Builder
	b.WriteString(r.Machine + "\n\n")
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "BACKEND\tRUNS\t")
	for _, x := range r.Backends {
		runs := "no"
		if x.Runs {
			runs = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", x.Name, runs, x.Note)
	}
	_ = t.Flush() // into memory
	b.WriteString("\n")
	t = tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "CHECK\tSTATE\t")
	for _, c := range r.Checks {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, c.State, c.What)
		if c.Fix != "" {
			fmt.Fprintf(t, "\t\tfix: %s\n", c.Fix)
		}
	}
	_ = t.Flush()
	if len(r.KeptRuns) > 0 {
		b.WriteString("\nkept runs\n")
		for _, k := range r.KeptRuns {
			b.WriteString("  " + k + "\n")
		}
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
