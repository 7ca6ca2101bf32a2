package scenario

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestSchema generates schema.json.
func TestSchema(t *testing.T) {
	g := schemaWriter{docs: readComments(t, "types.go", "scalars.go")}
	defs := object{}
	for _, st := range structTypes(reflect.TypeFor[Scenario]())[1:] {
		defs = append(defs, member{st.Name(), g.mapping(st)})
	}
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "https://faildrill.dev/schema/v1alpha1/scenario.json"},
		{"title", "faildrill scenario"},
	}
	root = append(root, g.mapping(reflect.TypeFor[Scenario]())...)
	root = append(root, member{"$defs", defs})
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", b.String())
}

// object is a JSON object that keeps its order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(m.name) + ":")
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

type schemaWriter struct{ docs comments }

// mapping is the schema of a struct type of the format.
func (g schemaWriter) mapping(t reflect.Type) object {
	fields := fieldsOf(t)
	var properties object
	var required []string
	for _, f := range fields {
		goField := t.FieldByIndex(f.index)
		doc := g.docs[t.Name()+"."+goField.Name]
		s := g.value(goField.Type)
		if f.name == "profile" {
			s = object{{"type", []string{"string", "number"}}} // the text decides
		}
		switch {
		case len(f.enum) == 1:
			s = object{{"const", f.enum[0]}}
		case f.enum != nil:
			s = append(s, member{"enum", f.enum})
		}
		s = append(object{{"description", describe(doc)}}, s...)
		if v, ok := defaultValue(goField.Type, doc.dflt); ok {
			s = append(s, member{"default", v})
		}
		properties = append(properties, member{f.name, s})
		if f.required {
			required = append(required, f.name)
		}
	}
	s := object{
		{"description", g.docs[t.Name()].text},
		{"type", "object"},
		{"additionalProperties", false},
		{"properties", properties},
	}
	if required != nil {
		s = append(s, member{"required", required})
	}
	if _, names := fields.choice(); names != nil {
		var one []object
		for _, name := range names {
			one = append(one, object{{"required", []string{name}}})
		}
		s = append(s, member{"oneOf", one})
	}
	return s
}

// value is the schema of a field's type.
func (g schemaWriter) value(t reflect.Type) object {
	const time = `([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+`
	text := func(pattern string, types ...string) object {
		if types == nil {
			types = []string{"string"}
		}
		return object{{"type", types}, {"pattern", "^" + pattern + "$"}}
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return text(`(0|` + time + `)`)
	case mergeType:
		return object{{"type", "object"}}
	case reflect.TypeFor[Rate]():
		return text(`[0-9]+(\.[0-9]+)? */ *([0-9.]*(ms|s|m|h))+`)
	case reflect.TypeFor[Bound]():
		return text(`([<>]= *)?[0-9]+(\.[0-9]+)?%?( *\.\. *[0-9]+(\.[0-9]+)?%?)?`, "string", "integer")
	case reflect.TypeFor[DurationBound]():
		return text(`([<>]= *)?` + time + `( *\.\. *` + time + `)?`)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem())
	case reflect.Struct:
		return object{{"$ref", "#/$defs/" + t.Name()}}
	case reflect.Slice:
		return object{{"type", "array"}, {"items", g.value(t.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", g.value(t.Elem())}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return object{{"type", "integer"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	}
	return object{{"type", "string"}}
}

func describe(c comment) string {
	if c.dflt != "" {
		return c.text + " Default: " + c.dflt + "."
	}
	return c.text
}

// defaultValue is a default that is a value and not a sentence.
func defaultValue(t reflect.Type, text string) (any, bool) {
	if text == "" || strings.Contains(text, " ") {
		return nil, false
	}
	text = strings.Trim(text, `"`)
	switch bare(t).Kind() {
	case reflect.Bool:
		return text == "true", true
	case reflect.Int, reflect.Float64:
		n, err := strconv.Atoi(text)
		return n, err == nil
	}
	return text, true
}
