package scenario

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// text is the text of a scalar, "" for anything else.
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return n.Value
}

// keys are the names in a mapping.
func keys(n *yaml.Node) []string {
	var names []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			names = append(names, n.Content[i].Value)
		}
	}
	return names
}

// found says what stands where something else was expected.
func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + short(n.Value)
	case "!!bool":
		return short(n.Value)
	}
	return fmt.Sprintf("the text %q", short(n.Value))
}

// short keeps a message readable when the value is not.
func short(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// keyTypo points at a key that was probably meant to be apiVersion or kind.
func keyTypo(n *yaml.Node) string {
	if n.Kind != yaml.MappingNode {
		return "; expected a mapping, found " + found(n)
	}
	for _, k := range keys(n) {
		if near := nearest(k, []string{"apiVersion", "kind"}); near != "" && near != k {
			return fmt.Sprintf("; did you mean %q where it says %q?", near, k)
		}
	}
	return ""
}

// join adds a field or a map key to a path.
func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

func contains(list []string, s string) bool { return slices.Contains(list, s) }
