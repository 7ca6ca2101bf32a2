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
			for _, d := range translationDiagnostics(&t, resources) {
				add(d)
			}
			for i := range t.Config.Clusters {
				for _, s := range lintSites(&t, &t.Config.Clusters[i], cl, resources, p) {
					for _, find := range finders {
						for _, f := range find(s, nil) {
							add(f.diagnostic())
						}
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

// lintSites are the cluster with each route that leads to it, or without any.
func lintSites(t *istio.Translation, c *xds.Cluster, cl istio.Client, resources []*istio.Resource, p istio.Profile) []*site {
	s := site{resources: resources, client: cl, cluster: c, t: t, profile: p}
	for _, l := range c.Localities {
		s.hosts += len(l.Endpoints)
	}
	var out []*site
	for i := range t.Config.VirtualHosts {
		for k := range t.Config.VirtualHosts[i].Routes {
			if r := &t.Config.VirtualHosts[i].Routes[k]; r.Cluster == c.Name {
				routed := s
				routed.route = r
				out = append(out, &routed)
			}
		}
	}
	if out == nil {
		out = append(out, &s)
	}
	return out
}

// diagnostic is the finding without a drill. The last edit is the one that
// helps however the load comes, unless the finding says that the first will do.
func (f *Finding) diagnostic() Diagnostic {
	d := Diagnostic{Pos: f.Pos, Severity: f.Severity, Code: f.Code, Message: f.Message}
	if n := len(f.edits); n > 0 {
		e := &f.edits[n-1]
		if f.firstWillDo {
			e = &f.edits[0]
		}
		d.Fix = e.field + ": " + e.to
		if e.to == removed {
			d.Fix = "remove " + e.field
		}
	}
	return d
}

func translationDiagnostics(t *istio.Translation, resources []*istio.Resource) []Diagnostic {
	var out []Diagnostic
	for _, p := range t.Rejected {
		f := refused(CodeRejected, resources, p)
		f.Message = p.Message
		out = append(out, f.diagnostic())
	}
	if p := t.Crash; p != nil {
		f := refused(CodeCrash, resources, *p)
		out = append(out, f.diagnostic())
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
		if st := &in.Scenario.Spec.Timeline[i]; st.ChangesConfiguration() {
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
