package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/faildrill/faildrill/harness/result"
)

// Endpoints writes the endpoints of a run, with the columns of `istioctl proxy-config
// endpoints` at the right, and where the two disagree.
func Endpoints(w io.Writer, t result.Table) error {
	var b strings.Builder
	state := "stored"
	if t.Kept {
		state = "kept"
	}
	fmt.Fprintf(&b, "%s, %s as %s, at %.1f s\n\n", t.Scenario, state, t.Run, t.At)
	several := slices.ContainsFunc(t.Rows, func(r result.TableRow) bool { return r.Client != t.Rows[0].Client })
	tw := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	cells := func(r ...string) { fmt.Fprintln(tw, strings.Join(r, "\t")) }
	head := []string{"ADDRESS", "LOCALITY", "PRIORITY", "WEIGHT", "STATUS", "OUTLIER CHECK", "EJECTIONS", "SHARE", "ISTIOCTL STATUS", "ISTIOCTL CHECK", "CLUSTER"}
	if several {
		head = append([]string{"CLIENT"}, head...)
	}
	cells(head...)
	for _, r := range t.Rows {
		status, check := "-", "-"
		if r.Istioctl != nil {
			status, check = r.Istioctl.Status, r.Istioctl.OutlierCheck
		}
		line := []string{
			r.Address, dash(r.Locality), fmt.Sprint(r.Priority), fmt.Sprint(r.Weight), r.Status, r.OutlierCheck,
			fmt.Sprint(r.Ejections), fmt.Sprintf("%.0f %%", 100*r.Share), status, check, r.Cluster,
		}
		if several {
			line = append([]string{r.Client}, line...)
		}
		cells(line...)
	}
	_ = tw.Flush() // into memory
	for _, d := range t.Differences {
		fmt.Fprintf(&b, "\ndisagreement: %s\n", d)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
