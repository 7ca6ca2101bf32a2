package explain

import (
	"cmp"
	"slices"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/xds"
)

// Diagnostic is one finding of lint.
type Diagnostic struct {
	Pos      istio.Position
	Severity Severity
	Code     string
	Message  string
	Fix      string // what to write, "" when there is no one answer
}

// Codes of lint findings that are no causes of a drill's outcome.
const (
	codeIgnored  = "accepted-and-ignored"
	codeNoEffect = "no-effect"
)

// Lint checks the Istio YAML of an input without a drill: what istiod refuses,
// what does nothing, and what the causes of failed drills are made of, as a
// client in each region of the endpoints sees it. Findings are sorted by place.
func Lint(in *scenario.Input, p istio.Profile) []Diagnostic {
	var out []Diagnostic
	add := func(d Diagnostic) {
		// What was said while reading is not said again by the translation.
		if !slices.ContainsFunc(out, func(o Diagnostic) bool {
			return o == d || o.Pos == d.Pos && o.Code == codeIgnored && d.Code == codeNoEffect
		}) {
			out = append(out, d)
		}
	}
	for _, w := range in.Warnings {
		add(Diagnostic{Pos: w.Pos, Severity: SeverityWarning, Code: codeIgnored, Message: w.Message})
	}
	for _, resources := range configurations(in) {
		for _, cl := range lintClients(in, resources, p) {
			t := istio.Translate(resources, cl, istio.Mesh{}, p)
			for _, d := range translationDiagnostics(&t) {
				add(d)
			}
			for i := range t.Config.Clusters {
				s := &site{resources: resources, client: cl.Locality, cluster: &t.Config.Clusters[i], t: &t, profile: p}
				for _, l := range s.cluster.Localities {
					s.hosts += len(l.Endpoints)
				}
				for _, find := range finders {
					for _, f := range find(s) {
						add(f.diagnostic())
					}
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// diagnostic is the finding without a drill. The last edit is the one that
// helps however the load comes.
func (f *Finding) diagnostic() Diagnostic {
	d := Diagnostic{Pos: f.Pos, Severity: f.Severity, Code: f.Code, Message: f.Message}
	if n := len(f.edits); n > 0 {
		d.Fix = f.edits[n-1].field + ": " + f.edits[n-1].to
	}
	return d
}

func translationDiagnostics(t *istio.Translation) []Diagnostic {
	var out []Diagnostic
	for _, p := range t.Rejected {
		out = append(out, Diagnostic{Pos: p.Pos, Severity: SeverityError, Code: "rejected", Message: p.Message})
	}
	if p := t.Crash; p != nil {
		out = append(out, Diagnostic{Pos: p.Pos, Severity: SeverityError, Code: "crashes-istiod", Message: p.Message})
	}
	for _, p := range t.Warnings {
		out = append(out, Diagnostic{Pos: p.Pos, Severity: SeverityWarning, Code: codeNoEffect, Message: p.Message})
	}
	for _, n := range t.NotModelled {
		if n.Decides {
			field := cmp.Or(n.Field, n.Resource)
			out = append(out, Diagnostic{
				Pos: istio.Position{File: n.File, Line: n.Line, Column: n.Column}, Severity: SeverityInfo, Code: "not-modelled",
				Message: field + " is not modelled and may decide the outcome: " + n.Why,
			})
		}
	}
	return out
}

// configurations are the configuration at 0 s and after each step.
func configurations(in *scenario.Input) [][]*istio.Resource {
	out := [][]*istio.Resource{in.Resources}
	if in.Scenario == nil {
		return out
	}
	for i := range in.Scenario.Spec.Timeline {
		if st := &in.Scenario.Spec.Timeline[i]; st.Apply != "" || st.Delete != "" {
			out = append(out, in.After(i))
		}
	}
	return out
}

// lintClients are the scenario's clients, or one in each region of the endpoints.
func lintClients(in *scenario.Input, resources []*istio.Resource, p istio.Profile) []istio.Client {
	var out []istio.Client
	if in.Scenario != nil {
		for i := range in.Scenario.Spec.Clients {
			c := &in.Scenario.Spec.Clients[i]
			out = append(out, istio.Client{Name: c.Name, Namespace: c.Namespace, Labels: c.Labels, Locality: c.Loc()})
		}
	}
	if len(out) > 0 {
		return out
	}
	t := istio.Translate(resources, istio.Client{}, istio.Mesh{}, p)
	seen := map[string]bool{}
	for _, c := range t.Config.Clusters {
		for _, l := range c.Localities {
			if r := l.Locality.Region; r != "" && !seen[r] {
				seen[r] = true
				out = append(out, istio.Client{Locality: xds.Locality{Region: r}})
			}
		}
	}
	if len(out) == 0 {
		out = append(out, istio.Client{})
	}
	return out
}
