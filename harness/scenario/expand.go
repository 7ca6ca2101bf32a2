package scenario

import (
	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// Limits on one document: how deep it goes, and how much its aliases may add.
const (
	maxDepth  = 100
	maxCopies = 100_000
)

// expander replaces aliases by what they stand for and merge keys (<<) by what
// they bring, and finds duplicate keys. Everything after it sees a plain tree.
type expander struct {
	file     string
	problems Problems
	copies   int
	full     bool // a limit was hit and reported
}

func (e *expander) at(n *yaml.Node) istio.Position {
	return istio.Position{File: e.file, Line: n.Line, Column: n.Column}
}

// expand returns the plain tree, or nil after a limit.
func (e *expander) expand(n *yaml.Node) *yaml.Node {
	n = e.node(n, n, 0, false)
	if e.full {
		return nil
	}
	return n
}

// node expands n; copied is set inside an alias, whose target must stay as it is.
func (e *expander) node(n, site *yaml.Node, depth int, copied bool) *yaml.Node {
	if e.full {
		return n
	}
	if depth > maxDepth {
		e.full = true
		what := "it"
		if copied {
			what = "an alias"
		}
		e.problems.add(e.at(site), "%s nests more than %d levels deep", what, maxDepth)
		return n
	}
	if n.Kind == yaml.AliasNode {
		return e.node(n.Alias, n, depth+1, true)
	}
	if copied {
		if e.copies++; e.copies > maxCopies {
			e.full = true
			e.problems.add(e.at(site), "aliases expand to more than %d values", maxCopies)
			return n
		}
		c := *n
		c.Anchor = ""
		c.Content = append([]*yaml.Node(nil), n.Content...)
		n = &c
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			n.Content[i] = e.node(item, item, depth+1, copied)
		}
	case yaml.MappingNode:
		n.Content = e.mapping(n, depth, copied)
	}
	return n
}

// mapping expands the pairs of a mapping: its own first, then what << brings and they do not have.
func (e *expander) mapping(n *yaml.Node, depth int, copied bool) []*yaml.Node {
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	own := make([]*yaml.Node, 0, len(n.Content))
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			e.problems.add(e.at(n.Content[i]), "expected a name before the colon, found a %s", shape(key))
			continue
		}
		if key.ShortTag() == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if first := seen[key.Value]; first != nil {
			e.problems.add(e.at(key), "duplicate key %q; first at line %d", key.Value, first.Line)
			continue
		}
		seen[key.Value] = key
		own = append(own, key, e.node(value, value, depth+1, copied))
	}
	for _, m := range merges {
		for _, from := range e.merged(m, depth) {
			for i := 0; i+1 < len(from.Content); i += 2 {
				key := from.Content[i]
				if seen[key.Value] == nil {
					seen[key.Value] = key
					own = append(own, key, from.Content[i+1])
				}
			}
		}
	}
	return own
}

// merged is the mappings that the value of a << names.
func (e *expander) merged(value *yaml.Node, depth int) []*yaml.Node {
	v := e.node(value, value, depth+1, true)
	all := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		all = v.Content
	}
	var maps []*yaml.Node
	for _, m := range all {
		if m.Kind == yaml.MappingNode {
			maps = append(maps, m)
		} else if !e.full {
			e.problems.add(e.at(value), "<< expected a mapping or a list of mappings, found a %s", shape(m))
		}
	}
	return maps
}

// shape names what stands in the file.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	case yaml.AliasNode:
		return shape(n.Alias)
	}
	return "scalar"
}
