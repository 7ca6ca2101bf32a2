package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
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

// and joins two edits, which may be several already.
func (e edit) and(o edit) edit {
	if e.also == nil {
		e.also = &o
	} else {
		more := e.also.and(o)
		e.also = &more
	}
	return e
}

// beside reports whether the two edits change different fields.
func (e edit) beside(o edit) bool {
	for _, a := range e.list() {
		for _, b := range o.list() {
			if a.Resource == b.Resource && (strings.HasPrefix(a.Field, b.Field) || strings.HasPrefix(b.Field, a.Field)) {
				return false
			}
		}
	}
	return true
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

// list is the edit field by field, as it is reported.
func (e *edit) list() []result.Edit {
	var out []result.Edit
	for ; e != nil; e = e.also {
		out = append(out, result.Edit{Resource: e.object(), Field: e.field, From: e.from, To: e.to})
	}
	return out
}

// fix is the change as it is reported, after it was confirmed.
func (e *edit) fix() *result.Fix {
	l := e.list()
	return &result.Fix{Field: l[0].Field, From: l[0].From, To: l[0].To, Edits: l, Confirmed: true}
}

// object is the resource that the edit itself changes or adds.
func (e *edit) object() string {
	if e.create != nil {
		return e.create.ID()
	}
	return e.id
}

// ids are the resources that the edit and those made with it change or add.
func (e *edit) ids() []string {
	var out []string
	for ; e != nil; e = e.also {
		if id := e.object(); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
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

// try is what a drill does, with a change made or without.
type try struct {
	passes       bool
	errors       int
	returnErrors int
	hidden       int  // failed attempts of requests that were answered all the same
	moved        bool // requests are answered by others than without the change
}

func tryOf(t *trace.Trace, im check.Impact) try {
	attempts, _ := hidden(t, attemptsSince(t, im.Since))
	return try{passes: im.Outcome.Passes(), errors: im.Errors, returnErrors: im.ReturnErrors, hidden: attempts}
}

// addressCounts are how many addresses a name may resolve to for a change to
// count; an IP address is always one.
func addressCounts(d *drill) []int {
	for _, u := range d.Lost {
		if _, err := netip.ParseAddr(d.Schedule.Upstreams[u].Address); err != nil {
			return []int{1, 2, 4, 8}
		}
	}
	return []int{1}
}

// settling is how much longer a drill is watched when names have more addresses.
const settling = 2 * time.Minute

// attempt plays the drill with the change made. It passes when it does so
// however many addresses the names that are lost resolve to. It is false when
// the change is refused, or enough have been tried.
func (s *search) attempt(e edit) (try, bool) {
	if s.left == 0 {
		return try{}, false
	}
	s.left--
	changed := with(s.Compiled, &e)
	t, ok := replay(changed, variation{})
	if !ok {
		return try{}, false
	}
	out := tryOf(t, check.Outcome(t))
	if !out.passes {
		return out, true
	}
	out.moved = moved(s.trace, t)
	for _, n := range s.addresses {
		if !out.passes {
			break
		}
		t, ok := replay(changed, variation{addresses: n, lost: s.Lost})
		out.passes = ok && check.Outcome(t).Outcome.Passes()
	}
	return out, true
}

// variation is how a drill is played otherwise than it is written; the zero
// value: not at all.
type variation struct {
	addresses int           // that the names of the lost upstreams resolve to; 0: as many as they do
	lost      []int32       // upstreams
	duration  time.Duration // 0: that of the drill, and longer with addresses
}

// with is the drill with the change made.
func with(c *schedule.Compiled, e *edit) *schedule.Drill {
	d := *c.Drill
	d.Configs = make([][]*istio.Resource, len(c.Configs))
	for i := range c.Configs {
		d.Configs[i] = e.apply(c.Configs[i])
	}
	d.Share()
	return &d
}

// replay plays the drill with the variation. It is false when istiod refuses its
// configuration.
func replay(drill *schedule.Drill, v variation) (*trace.Trace, bool) {
	d := *drill
	if v.addresses > 0 || v.duration > 0 {
		in := *d.Input
		in.Scenario = v.vary(in.Scenario)
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

func (v variation) vary(s *scenario.Scenario) *scenario.Scenario {
	sc := *s
	sc.Spec.Upstreams = slices.Clone(sc.Spec.Upstreams)
	for i := range sc.Spec.Upstreams {
		if v.addresses > 0 && slices.Contains(v.lost, int32(i)) {
			sc.Spec.Upstreams[i].Addresses = v.addresses
		}
	}
	if v.duration > 0 {
		sc.Spec.Duration = scenario.Duration(v.duration)
	} else {
		// More hosts take more requests to be found out.
		sc.Spec.Duration += scenario.Duration(settling)
	}
	// A load that ends early goes on, unless another one lasts as long as the drill.
	if !slices.ContainsFunc(s.Spec.Clients, func(c scenario.Client) bool { return c.Traffic.Count == 0 }) {
		sc.Spec.Clients = slices.Clone(sc.Spec.Clients)
		for i := range sc.Spec.Clients {
			sc.Spec.Clients[i].Traffic.Count = 0
		}
	}
	return &sc
}

// moved compares who answers over the whole drill.
func moved(without, with *trace.Trace) bool {
	a, b := check.In(without, -1, 0, without.Run.Duration), check.In(with, -1, 0, with.Run.Duration)
	return !maps.Equal(a.Answered, b.Answered) || !reflect.DeepEqual(a.ByPriority, b.ByPriority)
}
