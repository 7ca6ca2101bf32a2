package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// edit is a change of one resource, or a new one.
type edit struct {
	id       string // resource; see istio.Resource.ID
	field    string
	from, to string
	change   func(proto.Message) // of a copy of the spec
	create   *istio.Resource     // instead of change: a resource to add
	also     *edit               // made together with this one
}

func (e edit) and(o edit) edit {
	e.also = &o
	return e
}

// apply returns the resources with the change made.
func (e *edit) apply(rs []*istio.Resource) []*istio.Resource {
	out := slices.Clone(rs)
	if e.create != nil {
		if !slices.ContainsFunc(out, func(r *istio.Resource) bool { return r.ID() == e.create.ID() }) {
			out = append(out, e.create)
		}
	} else {
		for i, r := range out {
			if r.ID() == e.id {
				c := *r
				c.Spec = proto.Clone(r.Spec)
				e.change(c.Spec)
				out[i] = &c
			}
		}
	}
	if e.also != nil {
		return e.also.apply(out)
	}
	return out
}

// fix is the change as it is reported, after it was confirmed.
func (e *edit) fix() *result.Fix {
	f := &result.Fix{Field: e.field, From: e.from, To: e.to, Confirmed: true}
	if e.also != nil {
		f.Field += " and " + e.also.field
		f.To += " and " + e.also.to
	}
	return f
}

// ids are the resources that the edit changes or adds.
func (e *edit) ids() []string {
	id := e.id
	if e.create != nil {
		id = e.create.ID()
	}
	if e.also != nil {
		if more := e.also.ids(); more[0] != id {
			return append([]string{id}, more...)
		}
	}
	return []string{id}
}

// patched writes one of the objects as it is after the edit.
func (e *edit) patched(rs []*istio.Resource, id string) string {
	for _, r := range e.apply(rs) {
		if r.ID() == id {
			return YAML(r)
		}
	}
	return ""
}

// YAML writes a resource as a document that can be applied.
func YAML(r *istio.Resource) string {
	spec := any(map[string]any{})
	if b, err := json.Marshal(r.Spec); err == nil {
		_ = json.Unmarshal(b, &spec)
	}
	meta := map[string]any{"name": r.Name, "namespace": r.Namespace}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	put := func(k string, v any) {
		var key, val yaml.Node
		key.SetString(k)
		if val.Encode(v) == nil {
			doc.Content = append(doc.Content, &key, &val)
		}
	}
	put("apiVersion", r.APIVersion)
	put("kind", r.Kind)
	put("metadata", meta)
	put("spec", spec)
	b, err := yaml.Marshal(doc)
	if err != nil {
		return fmt.Sprintf("# %s cannot be written: %v\n", r.ID(), err)
	}
	return string(b)
}

// try is what a drill does with a change made.
type try struct {
	passes bool
	errors int
	moved  bool // requests are answered by others than without the change
}

// addressCounts are how many addresses a name may resolve to for a change to count.
var addressCounts = []int{1, 2, 4, 8}

// settling is how much longer a drill is watched when names have more addresses.
const settling = 2 * time.Minute

// attempt plays the drill with the change made. It passes when it does so
// however many addresses the names that are lost resolve to.
func attempt(c *schedule.Compiled, e edit, lost []int32) try {
	t, ok := replay(c, &e, 0, nil)
	if !ok {
		return try{errors: 1 << 30}
	}
	im := check.Outcome(t)
	out := try{passes: im.Outcome.Passes(), errors: im.Errors, moved: moved(c, t)}
	for _, n := range addressCounts {
		if !out.passes {
			break
		}
		t, ok := replay(c, &e, n, lost)
		out.passes = ok && check.Outcome(t).Outcome.Passes()
	}
	return out
}

// replay plays the drill with the change; with addresses over 0, the names of
// the lost upstreams resolve to so many. It is false when istiod would refuse
// the change.
func replay(c *schedule.Compiled, e *edit, addresses int, lost []int32) (*trace.Trace, bool) {
	d := *c.Drill
	d.Configs = make([][]*istio.Resource, len(c.Configs))
	for i := range c.Configs {
		d.Configs[i] = e.apply(c.Configs[i])
	}
	if addresses > 0 {
		in := *d.Input
		sc := *in.Scenario
		sc.Spec.Upstreams = append([]scenario.Upstream(nil), sc.Spec.Upstreams...)
		for i := range sc.Spec.Upstreams {
			if slices.Contains(lost, int32(i)) {
				sc.Spec.Upstreams[i].Addresses = addresses
			}
		}
		// More hosts take more requests to be found out.
		sc.Spec.Duration += scenario.Duration(settling)
		sc.Spec.Clients = append([]scenario.Client(nil), sc.Spec.Clients...)
		for i := range sc.Spec.Clients {
			sc.Spec.Clients[i].Traffic.Count = 0
		}
		in.Scenario = &sc
		d.Input = &in
	}
	n := d.Compile()
	for _, ts := range n.Translations {
		for i := range ts {
			if len(ts[i].Rejected) > 0 || ts[i].Crash != nil {
				return nil, false
			}
		}
	}
	return engine.Predict(n.Schedule), true
}

// moved compares who answers over the whole drill.
func moved(c *schedule.Compiled, with *trace.Trace) bool {
	without := engine.Predict(c.Schedule)
	a, b := check.In(without, -1, 0, without.Run.Duration), check.In(with, -1, 0, with.Run.Duration)
	return !maps.Equal(a.Answered, b.Answered) || !reflect.DeepEqual(a.ByPriority, b.ByPriority)
}
