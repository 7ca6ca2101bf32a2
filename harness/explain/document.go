package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness/istio"
)

// document is a spec as its file would have it: {"spec": ...}.
func document(m proto.Message) map[string]any {
	var spec any
	b, err := json.Marshal(m)
	if err != nil || json.Unmarshal(b, &spec) != nil {
		return nil
	}
	return map[string]any{"spec": spec}
}

// steps takes a path apart: "spec.http[0].timeout" is spec, http, 0, timeout.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// lookup is the value at a path of a spec; nil: there is none.
func lookup(m proto.Message, path string) any {
	var v any = document(m)
	for _, key := range steps(path) {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// put writes a value, makes the objects on the way to it, and removes the field
// when the value is nil. It is false when the path leads through what is no object.
func put(at any, path []string, value any) bool {
	switch x := at.(type) {
	case map[string]any:
		if len(path) == 1 {
			if value == nil {
				delete(x, path[0])
			} else {
				x[path[0]] = value
			}
			return true
		}
		if x[path[0]] == nil {
			x[path[0]] = map[string]any{}
		}
		return put(x[path[0]], path[1:], value)
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(x) {
			return false
		}
		if len(path) == 1 {
			x[i] = value
			return value != nil
		}
		return put(x[i], path[1:], value)
	}
	return false
}

// set is the edit that writes a value, as JSON has it, at a path of the object.
func set(r *istio.Resource, path string, value any) edit {
	e := edit{id: r.ID(), field: path, from: flow(lookup(r.Spec, path)), to: flow(value)}
	if value == nil {
		e.to = removed
	}
	e.change = func(m proto.Message) {
		doc := document(m)
		if doc == nil || !put(doc, steps(path), value) {
			return
		}
		b, err := json.Marshal(doc["spec"])
		fresh := m.ProtoReflect().New().Interface()
		if err != nil || json.Unmarshal(b, fresh) != nil {
			return
		}
		proto.Reset(m)
		proto.Merge(m, fresh)
	}
	return e
}

// removed stands for the value of a field that is taken out.
const removed = "(removed)"

// flow writes a value on one line, as YAML.
func flow(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case map[string]any:
		var out []string
		for _, k := range slices.Sorted(maps.Keys(x)) {
			out = append(out, k+": "+flow(x[k]))
		}
		return "{" + strings.Join(out, ", ") + "}"
	case []any:
		var out []string
		for _, e := range x {
			out = append(out, flow(e))
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	return fmt.Sprint(v)
}
