package istio

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
)

// Position is a place in an input file; lines and columns count from 1.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Resource is one Istio object as the user wrote it.
type Resource struct {
	APIVersion  string
	Kind        string // ServiceEntry, DestinationRule, VirtualService, ...
	Name        string
	Namespace   string // "" in the file means the scenario's default namespace, filled in by the reader
	Labels      map[string]string
	Annotations map[string]string

	// Spec is the istio.io/api message of the kind, for instance *networking.ServiceEntry.
	Spec proto.Message

	// Pos is where the document starts. Fields has the position of every field
	// that is written in the file, by its path in the document as the file
	// spells it: "spec.endpoints[0].ports.http". A field that is absent has none.
	Pos    Position
	Fields map[string]Position
}

// Where returns the position of the field, or of its nearest ancestor that is
// written in the file. The path has the names of the JSON form; a file may spell
// them with underscores.
func (r *Resource) Where(path string) Position {
	for p := path; p != ""; p = parent(p) {
		if pos, ok := r.Fields[p]; ok {
			return pos
		}
		for have, pos := range r.Fields {
			if strings.Contains(have, "_") && fold(have) == fold(p) {
				return pos
			}
		}
	}
	return r.Pos
}

// fold makes consecutive_5xx_errors and consecutive5xxErrors one.
func fold(path string) string { return strings.ToLower(strings.ReplaceAll(path, "_", "")) }

// Has reports whether the field is written in the file.
func (r *Resource) Has(path string) bool { _, ok := r.Fields[path]; return ok }

// ID is the kind, namespace and name, as in error messages.
func (r *Resource) ID() string { return r.Kind + " " + r.Namespace + "/" + r.Name }

func parent(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}
