package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/scenario"
)

// Describe writes an expectation in words, for reports.
func Describe(e *scenario.Expectation) string {
	var b []string
	add := func(format string, args ...any) { b = append(b, fmt.Sprintf(format, args...)) }
	for _, k := range sorted(e.Share) {
		add("share of %s %s", k, e.Share[k])
	}
	if e.Errors != nil {
		add("errors %s", *e.Errors)
	}
	for _, k := range sorted(e.Statuses) {
		add("status %s %s", k, e.Statuses[k])
	}
	for _, k := range sorted(e.Flags) {
		add("flag %s %s", k, e.Flags[k])
	}
	for _, k := range sorted(e.Attempts) {
		add("attempts on %s %s", k, e.Attempts[k])
	}
	if e.Requests != nil {
		add("requests %s", *e.Requests)
	}
	if s := e.Endpoint; s != nil {
		var c []string
		if s.Status != "" {
			c = append(c, s.Status)
		}
		if s.OutlierCheck != "" {
			c = append(c, "outlier check "+s.OutlierCheck)
		}
		if s.Priority != nil {
			c = append(c, fmt.Sprintf("priority %d", *s.Priority))
		}
		if s.Ejections != nil {
			c = append(c, "ejections "+s.Ejections.String())
		}
		add("%s: %s", s.Upstream, strings.Join(c, ", "))
	}
	for _, k := range sorted(e.Events) {
		v := e.Events[k]
		for _, w := range []struct {
			name string
			b    *scenario.Bound
		}{{"ejected", v.Ejected}, {"returned", v.Returned}, {"overflow", v.Overflow}} {
			if w.b != nil {
				add("%s %s %s", k, w.name, *w.b)
			}
		}
	}
	if e.Failover != nil {
		add("failover %s", e.Failover.Text)
	}
	if e.Return != nil {
		add("return %s", e.Return.Text)
	}
	if e.Outcome != "" {
		add("outcome %s", e.Outcome)
	}
	if e.CEL != "" {
		add("%s", e.CEL)
	}
	return strings.Join(b, ", ") + when(e)
}

func when(e *scenario.Expectation) string {
	d := func(x scenario.Duration) string { return time.Duration(x).String() }
	switch {
	case e.At != nil:
		return " at " + d(*e.At)
	case len(e.During) == 2:
		return " during [" + d(e.During[0]) + ", " + d(e.During[1]) + ")"
	case e.After != nil:
		s := " after " + d(*e.After)
		if e.Within > 0 {
			s += " within " + d(e.Within)
		}
		if e.For > 0 {
			s += " for " + d(e.For)
		}
		return s
	}
	return ""
}
