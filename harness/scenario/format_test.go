package scenario

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const formatIntro = `<!-- generated from harness/scenario/types.go by: go test ./harness/scenario -update -->
# The scenario file

A scenario is one YAML document: the mesh configuration that people already have, clients, fake upstreams, a timeline of
faults, and what should come out.

%s
This one is ` + "`%s`" + `. ` + "`faildrill schema`" + ` prints the JSON schema for editors.

## What counts as input

* A file with a ` + "`kind: Scenario`" + ` document is a scenario; further documents after ` + "`---`" + ` are its configuration.
* A folder is read recursively (` + "`*.yaml`, `*.yml`, `*.json`" + `, nothing hidden). Each scenario in it is one input; a folder without one
  is one plain Istio configuration, and so are plain files that are named together. ` + "`-`" + ` reads standard input.
* Of a configuration, the kinds of ` + "`networking.istio.io`" + ` (v1, v1beta1, v1alpha3) are read; other groups are skipped and counted, lists are
  opened, ` + "`status` and `managedFields`" + ` are allowed. An object without a namespace is in ` + "`default`" + `.
* Paths in a scenario are relative to its file. A path under ` + "`scenarios/` or `fixtures/`" + ` that is missing on disk comes with the program.
* A field that does not exist, exists elsewhere, or is there twice is an error with its place: ` + "`file:line:col: message`" + `. All come at once.
* A scalar's text decides: an unquoted 1.30 is not 1.3.

## Fields
`

// TestFormat generates scenarios/FORMAT.md.
func TestFormat(t *testing.T) {
	inRoot(t)
	docs := readComments(t, here+"/types.go", here+"/scalars.go")
	const example = "scenarios/failover/external-failover-invalid-port-fixed.yaml"
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, formatIntro, indent(string(text)), example)
	for _, st := range structTypes(reflect.TypeFor[Scenario]()) {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", st.Name(), docs[st.Name()].text)
		formatFields(&b, st, docs)
	}
	b.WriteString("\n### How scalars are written\n\n")
	for _, name := range []string{"Duration", "Rate", "Bound", "DurationBound"} {
		fmt.Fprintf(&b, "* %s\n", strings.Replace(docs[name].text, name+" is", "A *"+scalarNames[name]+"* is", 1))
	}
	golden(t, "scenarios/FORMAT.md", b.String())
}

var scalarNames = map[string]string{"Duration": "time", "Rate": "rate", "Bound": "bound", "DurationBound": "time bound", "Merge": "mapping"}

func formatFields(b *strings.Builder, st reflect.Type, docs comments) {
	fields := fieldsOf(st)
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range fields {
		goField := st.FieldByIndex(f.index)
		doc := docs[st.Name()+"."+goField.Name]
		text := doc.text
		if len(f.enum) > 1 {
			text += " One of " + strings.Join(f.enum, ", ") + "."
		}
		if doc.dflt != "" {
			text += " *Default: " + doc.dflt + ".*"
		}
		if f.required {
			text += " **Required.**"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.name, typeName(goField.Type), strings.ReplaceAll(text, "|", `\|`))
	}
	if group, names := fields.choice(); group != "" {
		fmt.Fprintf(b, "\nExactly one %s is given: %s.\n", group, strings.Join(names, ", "))
	}
}

// typeName says in a word what is written.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "map to " + typeName(t.Elem())
	case reflect.Bool:
		return "true/false"
	case reflect.Int, reflect.Float64:
		return "number"
	case reflect.String:
		return "text"
	}
	if name, ok := scalarNames[t.Name()]; ok {
		return name
	}
	return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name()))
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}
