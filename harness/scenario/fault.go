package scenario

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Help is a name of the format with its documentation.
type Help struct{ Name, Text string }

// Behaviours documents the behaviours of a fault, as the reference and the JSON
// schema do, in their order.
func Behaviours() []Help {
	var doc struct {
		Defs struct {
			Fault struct {
				Properties map[string]struct{ Description string }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &doc); err != nil {
		panic("scenario: schema.json cannot be read: " + err.Error()) // it is embedded and generated
	}
	var out []Help
	t := reflect.TypeFor[Fault]()
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("oneof") != "behaviour" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		out = append(out, Help{name, strings.TrimPrefix(doc.Defs.Fault.Properties[name].Description, name+" ")})
	}
	return out
}

// Behaviour is what the fault makes its upstream do, by the name of the field: "refuse".
func (f Fault) Behaviour() string {
	for _, b := range []struct {
		name string
		set  bool
	}{
		{"status", f.Status != 0},
		{"delay", f.Delay != 0},
		{"refuse", f.Refuse},
		{"blackhole", f.Blackhole},
		{"pause", f.Pause},
		{"stop", f.Stop},
		{"partition", f.Partition != ""},
		{"reset", f.Reset},
		{"hang", f.Hang != ""},
		{"slowBody", f.SlowBody != 0},
		{"closeAfter", f.CloseAfter != 0},
		{"tls", f.TLS != ""},
		{"answer", f.Answer != ""},
		{"addresses", len(f.Addresses) > 0},
	} {
		if b.set {
			return b.name
		}
	}
	return ""
}

// standsStill reports whether the server does nothing while it has the fault.
func (f *Fault) standsStill() bool { return f.Pause || f.Stop }

// dashed writes slowBody as slow-body.
func dashed(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// faultNames is the name of each step's fault, as given or made of the upstream
// and the behaviour; "" for steps without a fault.
func faultNames(timeline []Step) []string {
	names := make([]string, len(timeline))
	taken := map[string]bool{}
	for i, step := range timeline {
		if step.Fault != nil && step.Fault.Name != "" {
			names[i] = step.Fault.Name
			taken[names[i]] = true
		}
	}
	for i, step := range timeline {
		if step.Fault != nil && step.Fault.Name == "" {
			names[i] = freeName(step.Fault.defaultName(), taken)
		}
	}
	return names
}

func (f *Fault) defaultName() string {
	switch {
	case f.Answer != "":
		return f.DNS + "-" + strings.ToLower(f.Answer)
	case f.DNS != "":
		return f.DNS + "-" + f.Behaviour()
	case f.TLS != "":
		return f.Upstream + "-tls-" + dashed(f.TLS)
	}
	return f.Upstream + "-" + dashed(f.Behaviour())
}

// Target is the index of the upstream that the fault is about, -1 if there is none.
func (f *Fault) Target(upstreams []Upstream) int {
	if f.DNS == "" {
		return slices.IndexFunc(upstreams, func(u Upstream) bool { return u.Name == f.Upstream })
	}
	if i := slices.IndexFunc(upstreams, func(u Upstream) bool { return u.Name == f.DNS }); i >= 0 {
		return i
	}
	return slices.IndexFunc(upstreams, func(u Upstream) bool { return canonical(u.Address) == canonical(f.DNS) })
}
