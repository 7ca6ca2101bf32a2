package scenario

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// decoder reads the format's own types (types.go) from YAML nodes. It follows
// their tags, keeps the place of every field, and goes on after a problem.
type decoder struct {
	doc      document
	problems Problems
	fields   map[string]istio.Position
	bad      map[string]bool // parts of the scenario with a problem: "clients", "spec.clients[0]"
}

func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.problems.add(d.doc.at(n), "%s: %s", cmp.Or(path, "scenario"), fmt.Sprintf(format, args...))
	d.spoil(path)
}

// spoil notes which part of the scenario a problem is in: for
// spec.clients[0].name both clients and spec.clients[0].
func (d *decoder) spoil(path string) {
	part := strings.TrimPrefix(path, "spec.")
	if i := strings.IndexAny(part, ".["); i >= 0 {
		part = part[:i]
	}
	d.bad[part] = true
	if i := strings.IndexByte(path, ']'); i >= 0 {
		d.bad[path[:i+1]] = true
	}
}

var (
	textType  = reflect.TypeFor[encoding.TextUnmarshaler]()
	mergeType = reflect.TypeFor[Merge]()
)

// value reads n into v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case v.Type() == mergeType:
		if n.Kind != yaml.MappingNode {
			d.fail(n, path, "expected a mapping, found %s", found(n))
			return
		}
		v.Set(reflect.ValueOf(Merge{n}))
	case v.Addr().Type().Implements(textType):
		if d.isScalar(n, v, path) {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
				d.fail(n, path, "%v", err)
			}
		}
	case v.Kind() == reflect.Struct:
		d.object(n, v, path)
	case v.Kind() == reflect.Map:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		if d.isScalar(n, v, path) {
			d.scalar(n, v, path)
		}
	}
}

func (d *decoder) isScalar(n *yaml.Node, v reflect.Value, path string) bool {
	if n.Kind == yaml.ScalarNode {
		return true
	}
	d.fail(n, path, "expected %s, found %s", expected(v.Type()), found(n))
	return false
}

// scalar reads plain Go values; the text decides, whatever YAML makes of it.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	var err error
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(n.Value)
		v.SetBool(b)
	case reflect.Int:
		var i int64
		i, err = strconv.ParseInt(n.Value, 10, 32)
		v.SetInt(i)
	case reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(strings.TrimSuffix(n.Value, "%"), 64)
		v.SetFloat(f)
	}
	if err != nil {
		d.fail(n, path, "expected %s, found %s", expected(v.Type()), found(n))
	}
}

// expected names a type the way a writer of YAML does.
func expected(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a time such as 15s"
	case reflect.TypeFor[Rate]():
		return "a rate such as 50/s"
	case reflect.TypeFor[Bound]():
		return "a number or a share"
	case reflect.TypeFor[DurationBound]():
		return `a time or its bounds, such as "<= 5s"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expected(t.Elem())
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a text"
}

// object reads a mapping into a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "expected a mapping, found %s", found(n))
		return
	}
	fields := fieldsOf(v.Type())
	var unknown []*yaml.Node
	given := map[string]*yaml.Node{} // what is written and says something
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f := fields.byName(key.Value)
		if f == nil {
			unknown = append(unknown, key)
			continue
		}
		sub := join(path, f.name)
		d.fields[sub] = d.doc.at(key)
		if isNull(value) {
			continue
		}
		before := len(d.problems)
		fv := v.FieldByIndex(f.index)
		d.value(value, fv, sub)
		if f.enum != nil && len(d.problems) == before && !contains(f.enum, fv.String()) {
			d.fail(value, sub, "unknown value %q%s", short(fv.String()), didYouMean(fv.String(), f.enum))
		}
		if fv.Kind() != reflect.Bool || fv.Bool() || len(d.problems) > before {
			given[f.name] = key
		}
	}
	chosen := d.choice(n, fields, given, unknown, v.Type(), path)
	for _, key := range unknown {
		d.unknown(key, fields, chosen, v.Type(), path)
	}
	for _, f := range fields {
		if f.required && given[f.name] == nil {
			d.fail(n, path, "%s is required", f.name)
		}
	}
}

// choice checks that exactly one of the fields that exclude each other is given.
// It reports whether one was.
func (d *decoder) choice(n *yaml.Node, fields structFields, given map[string]*yaml.Node, unknown []*yaml.Node, t reflect.Type, path string) bool {
	group, names := fields.choice()
	if group == "" {
		return true
	}
	var first string
	for _, name := range names {
		switch {
		case given[name] == nil:
		case first == "":
			first = name
		default:
			d.fail(given[name], path, "%s and %s exclude each other; give one %s", first, name, group)
		}
	}
	if first == "" && len(unknown) == 0 {
		d.fail(n, path, "no %s given; expected one of %s", what(t, group), strings.Join(slices.Sorted(slices.Values(names)), ", "))
	}
	return first != ""
}

// unknown reports a field that the format does not have. Where a choice is
// still open, that is what the writer wanted to name.
func (d *decoder) unknown(key *yaml.Node, fields structFields, chosen bool, t reflect.Type, path string) {
	d.spoil(path)
	group, names := fields.choice()
	if !chosen && nearest(key.Value, names) == nearest(key.Value, fields.names()) {
		d.problems.add(d.doc.at(key), "unknown %s %q%s", what(t, group), short(key.Value), didYouMean(key.Value, names))
		return
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	d.problems.add(d.doc.at(key), "unknown field %q%s%s", short(key.Value), where, didYouMean(key.Value, fields.names()))
}

// what names a choice: "fault behaviour", "step change".
func what(t reflect.Type, group string) string {
	if t == reflect.TypeFor[Step]() {
		return group
	}
	return strings.ToLower(t.Name()) + " " + group
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "expected a mapping, found %s", found(n))
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		sub := join(path, key.Value)
		d.fields[sub] = d.doc.at(key)
		item := reflect.New(v.Type().Elem()).Elem()
		if isNull(value) {
			d.fail(key, sub, "expected %s, found nothing", expected(item.Type()))
			continue
		}
		d.value(value, item, sub)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "expected a list, found %s", found(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		sub := index(path, i)
		d.fields[sub] = d.doc.at(item)
		if isNull(item) {
			d.fail(item, sub, "expected %s, found nothing", expected(v.Type().Elem()))
			continue
		}
		d.value(item, v.Index(i), sub)
	}
}
