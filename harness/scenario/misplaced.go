package scenario

import (
	"fmt"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// unknown reports a field that does not exist where it stands: a typo gets the
// nearest name, a field that exists elsewhere in the object gets its place.
func (c *checker) unknown(key *yaml.Node, path string, allowed []string, trail []level) {
	where := ""
	if path != "" {
		where = " in " + shown(path)
	}
	hint := c.belongs(key.Value, trail)
	if near := nearest(key.Value, allowed); near != "" || hint == "" {
		hint = didYouMean(key.Value, allowed)
	}
	c.problems.add(c.doc.at(key), "unknown field %q%s%s", short(key.Value), where, hint)
}

// belongs looks for the place of a field: the nearest message around it that
// has it, then the parts of the document, then what the messages around it
// contain.
func (c *checker) belongs(name string, trail []level) string {
	for i := len(trail) - 1; i >= 0; i-- {
		if trail[i].md.Fields().ByJSONName(name) != nil {
			return "; it belongs in " + shown(trail[i].path)
		}
	}
	switch {
	case contains(metadataFields, name):
		return "; it belongs in metadata"
	case name == "apiVersion" || name == "kind" || name == "status":
		return "; it belongs at the top of the document"
	}
	if len(trail) == 0 {
		trail = []level{{"spec", c.root}}
		if c.root.Fields().ByJSONName(name) != nil {
			return "; it belongs in spec"
		}
	}
	seen := map[protoreflect.FullName]bool{}
	for i := len(trail) - 1; i >= 0; i-- {
		if path := below(trail[i], name, seen); path != "" {
			return fmt.Sprintf("; it belongs in %s", shown(path))
		}
	}
	return ""
}

// below searches the messages that a message contains, level by level.
func below(from level, name string, seen map[protoreflect.FullName]bool) string {
	queue := []level{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if seen[at.md.FullName()] {
			continue
		}
		seen[at.md.FullName()] = true
		for i := range at.md.Fields().Len() {
			fd := at.md.Fields().Get(i)
			md := fd.Message()
			if md == nil || fd.IsMap() || md.FullName().Parent() == "google.protobuf" {
				continue
			}
			sub := level{join(at.path, fd.JSONName()), md}
			if fd.IsList() {
				sub.path += "[]"
			}
			if md.Fields().ByJSONName(name) != nil {
				return sub.path
			}
			queue = append(queue, sub)
		}
	}
	return ""
}
