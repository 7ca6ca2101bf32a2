package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

// Plan writes predictions as text: a headline for each drill, and the details
// of those that do not pass; of all when there is only one, or when the style is
// verbose. What all drills have in common is said once, at the end.
func Plan(w io.Writer, s Style, plans []result.Plan) error {
	p := newPage(s)
	common := commonOf(plans)
	seen := seenCauses{}
	detailed := false
	for i := range plans {
		r := &plans[i]
		more := len(plans) == 1 || s.Verbose || !planPasses(r)
		if i > 0 && (more || detailed) {
			p.blank()
		}
		p.para("", "    ", planHeadline(r))
		if more {
			p.blank()
			p.planDetails(r, common, seen)
		}
		detailed = more
	}
	if len(plans) > 1 {
		if !common.empty() {
			p.blank()
			p.para("", indent, in(bold, "All drills"))
			p.common(common)
		}
		p.blank()
		p.para("", indent, planSummary(plans))
	}
	return p.flush(w)
}

// planPasses goes by the verdict, or by the outcome where there is none.
func planPasses(r *result.Plan) bool {
	if r.Verdict == "" {
		return r.Outcome.Passes()
	}
	return r.Verdict == result.Pass
}

func planHeadline(r *result.Plan) text {
	im := impact{
		outcome: r.Outcome, requests: r.Requests, errors: r.ClientErrors, returnErrors: r.ReturnErrors,
		failoverAfter: r.FailoverAfter, returnAfter: r.ReturnAfter, problems: r.Problems, expected: planPasses(r) && !r.Outcome.Passes(),
	}
	t := in(bold, r.Name).add(": ")
	if o := im.text(); o != nil {
		t = t.then(o)
	} else {
		t = t.add("no outcome")
	}
	t = t.then(headlineCause(r.Causes, r.Outcome))
	if n := len(r.Expectations); n > 0 {
		switch bad := missed(r.Expectations); {
		case bad == 0 && im.expected:
			t = t.paint(green, "; as its expectations say")
		case bad == 0:
			t = t.paint(green, "; as expected")
		default:
			t = t.paint(red, fmt.Sprintf("; %d of %s not met", bad, count(n, "expectation")))
		}
	}
	return t
}

// headlineCause is the first cause, and the first fix, in a few words. Of a drill that
// passes only what can be fixed is worth the line.
func headlineCause(cs []result.Cause, o result.Outcome) text {
	if len(cs) == 0 || o.Passes() && cs[0].Fix == nil {
		return nil
	}
	t := say("; " + clause(cs[0].Message))
	if f := cs[0].Fix; f != nil {
		t = t.add("; fix: ").paint(green, fixWords(f))
	}
	return t
}

func missed(es []result.Expectation) int {
	n := 0
	for _, e := range es {
		if e.Verdict != result.Pass {
			n++
		}
	}
	return n
}

func (p *page) planDetails(r *result.Plan, c common, seen seenCauses) {
	if !strings.Contains(r.Name, " loses ") && (r.Client != "" || r.Fault != "") {
		p.row("drill", say(strings.TrimPrefix(strings.Join([]string{r.Client, r.Fault}, ": "), ": ")))
	}
	p.list("refused", red, r.Problems)
	p.expectations(r.Expectations)
	p.phases(r.Phases)
	p.events(r.Events)
	p.counters(r.Counters, r.Endpoints)
	p.causesOnce(r.Causes, r.Name, seen)
	p.common(ofPlan(r).without(c))
}

// common is what many drills share.
type common struct {
	rules       string
	assumed     []string
	notModelled []result.NotModelled
}

func (c common) empty() bool { return c.rules == "" && len(c.assumed)+len(c.notModelled) == 0 }

func ofPlan(r *result.Plan) common {
	return common{rules(r.Profile, r.Seed), r.Assumed, r.NotModelled}
}

// commonOf is what all plans say; nothing when there is only one.
func commonOf(plans []result.Plan) common {
	if len(plans) < 2 {
		return common{}
	}
	c := ofPlan(&plans[0])
	c.assumed, c.notModelled = slices.Clone(c.assumed), slices.Clone(c.notModelled)
	for i := range plans[1:] {
		o := ofPlan(&plans[i+1])
		if o.rules != c.rules {
			c.rules = ""
		}
		c.assumed = slices.DeleteFunc(c.assumed, func(s string) bool { return !slices.Contains(o.assumed, s) })
		c.notModelled = slices.DeleteFunc(c.notModelled, func(n result.NotModelled) bool { return !slices.Contains(o.notModelled, n) })
	}
	return c
}

func (c common) without(o common) common {
	if c.rules == o.rules {
		c.rules = ""
	}
	c.assumed = slices.DeleteFunc(slices.Clone(c.assumed), func(s string) bool { return slices.Contains(o.assumed, s) })
	c.notModelled = slices.DeleteFunc(slices.Clone(c.notModelled), func(n result.NotModelled) bool { return slices.Contains(o.notModelled, n) })
	return c
}

func (p *page) common(c common) {
	if c.rules != "" {
		p.row("rules of", say(c.rules))
	}
	if len(c.assumed) > 0 {
		p.row("assumed", say(strings.Join(c.assumed, "; ")))
	}
	p.notModelled(c.notModelled)
}

// planSummary counts the drills by what the mesh does.
func planSummary(plans []result.Plan) text {
	pass := 0
	outcomes := map[result.Outcome]int{}
	for i := range plans {
		if planPasses(&plans[i]) {
			pass++
		}
		outcomes[plans[i].Outcome]++
	}
	t := in(bold, count(len(plans), "drill")).add(": ")
	if pass == len(plans) {
		t = t.paint(green, "all pass")
	} else {
		t = t.add(fmt.Sprintf("%d pass, ", pass)).paint(redBold, fmt.Sprintf("%d do not", len(plans)-pass))
	}
	var by []string
	for _, o := range result.Outcomes() {
		if outcomes[o] > 0 {
			by = append(by, fmt.Sprintf("%d %s", outcomes[o], o))
		}
	}
	if len(by) > 0 {
		t = t.add(" (" + strings.Join(by, ", ") + ")")
	}
	return t
}
