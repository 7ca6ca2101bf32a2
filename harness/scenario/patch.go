package scenario

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// Merge is a mapping of any shape.
type Merge struct{ node *yaml.Node }

// MarshalYAML writes it as it was.
func (m Merge) MarshalYAML() (any, error) { return m.node, nil }

// IsZero reports whether there is none.
func (m Merge) IsZero() bool { return m.node == nil }

// Equal reports whether two say the same, however they are written.
func (m Merge) Equal(o Merge) bool {
	if m.node == nil || o.node == nil {
		return m.node == o.node
	}
	var a, b any
	return m.node.Decode(&a) == nil && o.node.Decode(&b) == nil && reflect.DeepEqual(a, b)
}

// Object names what is patched, as `delete` does: Kind/name, or Kind/namespace/name.
func (p *Patch) Object() string {
	if p.Namespace == "" || p.Namespace == defaultNamespace {
		return p.Kind + "/" + p.Name
	}
	return p.Kind + "/" + p.Namespace + "/" + p.Name
}

// merged lays a patch over a value (RFC 7386, section 2). Neither is changed.
func merged(target, patch *yaml.Node) *yaml.Node {
	if patch.Kind != yaml.MappingNode {
		return patch
	}
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: patch.Line, Column: patch.Column}
	if target != nil && target.Kind == yaml.MappingNode {
		out.Content = slices.Clone(target.Content)
		out.Line, out.Column = target.Line, target.Column
	}
	for i := 0; i+1 < len(patch.Content); i += 2 {
		key, value := patch.Content[i], patch.Content[i+1]
		at := -1
		for k := 0; k+1 < len(out.Content); k += 2 {
			if out.Content[k].Value == key.Value {
				at = k
			}
		}
		switch {
		case isNull(value) && at >= 0:
			out.Content = slices.Delete(out.Content, at, at+2)
		case isNull(value):
		case at >= 0:
			out.Content[at], out.Content[at+1] = key, merged(out.Content[at+1], value)
		default:
			out.Content = append(out.Content, key, merged(nil, value))
		}
	}
	return out
}

// moved says of everything in a tree that it stands at a place.
func moved(n *yaml.Node, at istio.Position) {
	n.Line, n.Column = at.Line, at.Column
	for _, c := range n.Content {
		moved(c, at)
	}
}

// patch reads what a step makes of an object: the patched one, whose parts stand where
// they were written. Whether the object is there, the validator says.
func (c *configReader) patch(from place, step int) {
	p := c.in.Scenario.Spec.Timeline[step].Patch
	id := objectID(p.Object())
	config := c.in.After(step - 1)
	i := slices.IndexFunc(config, func(r *istio.Resource) bool { return r.ID() == id })
	if i < 0 || p.Merge.node == nil {
		return
	}
	old := config[i]
	text := ""
	for _, d := range c.in.Documents {
		if d.File == old.Pos.File && d.Line == old.Pos.Line && d.Kind == old.Kind && d.Namespace == old.Namespace && d.Name == old.Name {
			text = d.YAML
		}
	}
	docs, problems := parseYAML(old.Pos.File, []byte(text))
	if len(problems) > 0 || len(docs) == 0 {
		return // said already
	}
	at := c.in.Where(index("spec.timeline", step) + ".patch")
	moved(docs[0].node, at)
	had := len(c.in.Applied[step])
	c.document(document{file: from.name, node: merged(docs[0].node, p.Merge.node)}, step)
	if len(c.in.Applied[step]) == had {
		return
	}
	res := c.in.Applied[step][had]
	if res.ID() != id {
		c.problems.add(at, "%s: it would make %s of %s; a patch cannot rename an object", index("spec.timeline", step)+".patch.merge", res.ID(), id)
	}
	for path, pos := range res.Fields {
		if was, ok := old.Fields[path]; ok && pos == at {
			res.Fields[path] = was
		}
	}
}

// patched checks that there is something to patch.
func (v *validator) patched(path string, p *Patch, config []*istio.Resource) {
	switch {
	case p.Kind == "" || p.Name == "": // said already
	case istioKinds[p.Kind] == nil:
		v.fail(path+".kind", "unknown kind %s%s", quote(p.Kind), didYouMean(p.Kind, kindNames()))
	default:
		v.there(path, p.Object(), config)
	}
}

// there checks that the configuration has an object.
func (v *validator) there(path, ref string, config []*istio.Resource) {
	id := objectID(ref)
	if !v.read(partConfig, "timeline") || slices.ContainsFunc(config, func(r *istio.Resource) bool { return r.ID() == id }) {
		return
	}
	var have []string
	for _, r := range config {
		name := fmt.Sprintf("%s/%s/%s", r.Kind, r.Namespace, r.Name)
		if r.Namespace == defaultNamespace {
			name = r.Kind + "/" + r.Name
		}
		have = append(have, name)
	}
	v.fail(path, "the configuration has no %s at %s%s", id, v.stepAt(path), didYouMean(ref, have))
}

// ChangesConfiguration reports whether the entry does: there is another configuration after it.
func (s *Step) ChangesConfiguration() bool {
	return s.Apply != "" || s.Delete != "" || s.Patch != nil
}
