package usercluster

import (
	"errors"
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/doctor"
)

// Report is what the preflight saw.
type Report struct {
	Wrong      string         `json:"wrong,omitempty"` // what the user named and is not there; nothing else was looked at then
	Kubernetes string         `json:"kubernetes"`      // releases
	Istio      string         `json:"istio"`           // "": the proxy's image does not tell
	NetAdmin   bool           `json:"netAdmin"`        // pods may have it
	Checks     []doctor.Check `json:"checks"`
}

// UserError is what the user named and is not there.
type UserError struct{ error }

// Refusal says in a sentence why no drill can be played, nil if one can.
func (r Report) Refusal() error {
	if r.Wrong != "" {
		return UserError{errors.New(r.Wrong)}
	}
	for _, c := range r.Checks {
		if c.State != doctor.Missing {
			continue
		}
		if c.Fix != "" {
			return fmt.Errorf("%s: %s", c.What, c.Fix)
		}
		return errors.New(c.What)
	}
	return nil
}

// Doctor is the report as the command doctor prints it.
func (r Report) Doctor(set Settings) doctor.Report {
	b := doctor.Backend{Name: Name, Runs: true, Note: "the releases of a drill's prediction are those that run here", Fixes: []string{}}
	if r.Istio == "" {
		b.Note = "the proxy's image does not tell Istio's release: --profile does"
	}
	var lacks []string
	for _, c := range r.Checks {
		if c.State != doctor.Missing {
			continue
		}
		lacks = append(lacks, c.Name)
		if c.Fix != "" {
			b.Fixes = append(b.Fixes, c.Fix)
		}
	}
	if len(lacks) > 0 {
		b.Runs, b.Note = false, "missing: "+strings.Join(lacks, ", ")
	}
	return doctor.Report{
		Schema: doctor.Schema, Machine: fmt.Sprintf("context %s, namespace %s", set.Context, set.Namespace),
		Backends: []doctor.Backend{b}, Checks: append([]doctor.Check{}, r.Checks...), KeptRuns: []string{},
	}
}
