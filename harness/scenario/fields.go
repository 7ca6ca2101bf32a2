package scenario

import (
	"reflect"
	"strings"
)

// structField is what the tags of one field of the format say.
type structField struct {
	name     string
	index    []int
	required bool
	enum     []string
	oneof    string // the choice that it is part of
}

type structFields []structField

// fieldsOf reads the tags of a struct type of the format.
func fieldsOf(t reflect.Type) structFields {
	fields := make(structFields, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		sf := structField{name: name, index: f.Index, required: f.Tag.Get("required") == "true", oneof: f.Tag.Get("oneof")}
		if enum := f.Tag.Get("enum"); enum != "" {
			sf.enum = strings.Split(enum, ",")
		}
		fields = append(fields, sf)
	}
	return fields
}

func (fs structFields) byName(name string) *structField {
	for i := range fs {
		if fs[i].name == name {
			return &fs[i]
		}
	}
	return nil
}

func (fs structFields) names() []string {
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name
	}
	return names
}

// choice is the group of fields of which exactly one is given, "" if there is none.
func (fs structFields) choice() (group string, names []string) {
	for _, f := range fs {
		if f.oneof != "" {
			group = f.oneof
			names = append(names, f.name)
		}
	}
	return group, names
}
