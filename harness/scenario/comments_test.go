package scenario

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"
)

// comment is a doc comment of the format, taken apart.
type comment struct {
	text    string // one line a sentence or paragraph
	dflt    string // after Default:
	example string // after Example:
}

// comments are the doc comments of types and fields ("Spec", "Spec.Config").
type comments map[string]comment

// readComments reads the comments of the files that are the format.
func readComments(t *testing.T, files ...string) comments {
	t.Helper()
	all := comments{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, s := range gen.Specs {
				ts := s.(*ast.TypeSpec)
				all[ts.Name.Name] = parseComment(gen.Doc)
				if st, ok := ts.Type.(*ast.StructType); ok {
					for _, field := range st.Fields.List {
						for _, name := range field.Names {
							c := parseComment(field.Doc)
							c.text = strings.Replace(c.text, name.Name, yamlName(field), 1)
							all[ts.Name.Name+"."+name.Name] = c
						}
					}
				}
			}
		}
	}
	return all
}

// yamlName is how the file spells a field; its comment begins with how Go does.
func yamlName(field *ast.Field) string {
	if field.Tag == nil {
		return field.Names[0].Name
	}
	name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("yaml"), ",")
	return name
}

func parseComment(doc *ast.CommentGroup) comment {
	var c comment
	var lines []string
	for line := range strings.Lines(doc.Text()) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "Default: "); ok {
			c.dflt = rest
		} else if rest, ok := strings.CutPrefix(line, "Example: "); ok {
			c.example = rest
		} else if line != "" {
			lines = append(lines, line)
		}
	}
	c.text = strings.Join(lines, " ")
	return c
}

// structTypes are the mappings of the format in the order in which a reader meets them.
func structTypes(t reflect.Type) []reflect.Type {
	var order []reflect.Type
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		t = bare(t)
		if t.Kind() != reflect.Struct || t == mergeType || reflect.PointerTo(t).Implements(textType) || seen[t] {
			return
		}
		seen[t] = true
		order = append(order, t)
		for _, f := range fieldsOf(t) {
			visit(t.FieldByIndex(f.index).Type)
		}
	}
	visit(t)
	return order
}

// bare is the type without pointers, lists and maps around it.
func bare(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

// TestComments wants a comment on everything that people write.
func TestComments(t *testing.T) {
	docs := readComments(t, "types.go", "scalars.go")
	for _, st := range structTypes(reflect.TypeFor[Scenario]()) {
		if docs[st.Name()].text == "" {
			t.Errorf("%s has no comment", st.Name())
		}
		for _, f := range fieldsOf(st) {
			name := st.Name() + "." + st.FieldByIndex(f.index).Name
			if !strings.HasPrefix(docs[name].text, f.name+" ") {
				t.Errorf("%s has no comment that begins with its name", name)
			}
		}
	}
}
