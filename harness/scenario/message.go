package scenario

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// checker holds the YAML of one Istio object against the protobuf descriptor of
// its kind and writes the JSON that Istio's own types read. (They drop what
// they do not know, and would say neither what nor where.)
type checker struct {
	*reader
	doc    document
	root   protoreflect.MessageDescriptor
	fields map[string]istio.Position
	trail  []level // the messages around the current one, outermost first
}

// level is a message that is being checked.
type level struct {
	path string
	md   protoreflect.MessageDescriptor
}

// shown is a path of an Istio object as people say it, without the leading spec.
func shown(path string) string { return strings.TrimPrefix(path, "spec.") }

// message checks a mapping against a descriptor and appends its JSON.
func (c *checker) message(out []byte, n *yaml.Node, md protoreflect.MessageDescriptor, path string) []byte {
	if out, ok := c.wellKnown(out, n, md.FullName(), path); ok {
		return out
	}
	if n.Kind != yaml.MappingNode {
		c.problems.add(c.doc.at(n), "%s: expected a mapping, found %s", shown(path), found(n))
		return append(out, "null"...)
	}
	c.trail = append(c.trail, level{path, md})
	defer func() { c.trail = c.trail[:len(c.trail)-1] }()
	chosen := map[protoreflect.Name]string{}
	written := map[protoreflect.Name]*yaml.Node{}
	out = append(out, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		fd := c.field(key, md, path)
		if fd == nil {
			continue
		}
		sub := join(path, key.Value)
		c.fields[sub] = c.doc.at(key)
		if isNull(value) {
			continue // Kubernetes drops it
		}
		if first := written[fd.Name()]; first != nil {
			c.problems.add(c.doc.at(key), "%s and %s are the same field", first.Value, shown(sub))
			continue
		}
		written[fd.Name()] = key
		if one := fd.ContainingOneof(); one != nil && !one.IsSynthetic() {
			if other := chosen[one.Name()]; other != "" {
				c.problems.add(c.doc.at(key), "%s and %s exclude each other in %s", other, key.Value, shown(path))
				continue
			}
			chosen[one.Name()] = key.Value
		}
		c.deprecated(key, fd, n)
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(strconv.AppendQuote(out, fd.JSONName()), ':')
		out = c.value(out, value, fd, sub)
	}
	return append(out, '}')
}

// field finds the field that a key names: by its JSON name, or by the proto
// name, which Istio's types accept and Kubernetes drops.
func (c *checker) field(key *yaml.Node, md protoreflect.MessageDescriptor, path string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(key.Value); fd != nil {
		return fd
	}
	if fd := md.Fields().ByName(protoreflect.Name(key.Value)); fd != nil {
		c.warnings.add(c.doc.at(key), "field %q is read as %q; Kubernetes knows only that spelling and would drop this one", key.Value, fd.JSONName())
		return fd
	}
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = md.Fields().Get(i).JSONName()
	}
	c.unknown(key, path, names, c.trail)
	return nil
}

// deprecated warns of the one field that recipes still use and that does nothing.
func (c *checker) deprecated(key *yaml.Node, fd protoreflect.FieldDescriptor, in *yaml.Node) {
	if fd.FullName() != "istio.networking.v1alpha3.OutlierDetection.consecutive_errors" {
		return
	}
	rest := "Envoy's default of 5 consecutive 5xx applies"
	if child(in, "consecutive5xxErrors") != nil || child(in, "consecutiveGatewayErrors") != nil {
		rest = "the thresholds beside it apply"
	}
	c.warnings.add(c.doc.at(key), "consecutiveErrors is deprecated, and Istio ignores it: %s; use consecutive5xxErrors", rest)
}

// value checks what a field holds.
func (c *checker) value(out []byte, n *yaml.Node, fd protoreflect.FieldDescriptor, path string) []byte {
	switch {
	case fd.IsMap():
		return c.table(out, n, fd, path)
	case fd.IsList():
		if n.Kind != yaml.SequenceNode {
			c.problems.add(c.doc.at(n), "%s: expected a list, found %s", shown(path), found(n))
			return append(out, "null"...)
		}
		out = append(out, '[')
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			sub := index(path, i)
			c.fields[sub] = c.doc.at(item)
			out = c.single(out, item, fd, sub)
		}
		return append(out, ']')
	}
	return c.single(out, n, fd, path)
}

func (c *checker) table(out []byte, n *yaml.Node, fd protoreflect.FieldDescriptor, path string) []byte {
	if n.Kind != yaml.MappingNode {
		c.problems.add(c.doc.at(n), "%s: expected a mapping, found %s", shown(path), found(n))
		return append(out, "null"...)
	}
	out = append(out, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if i > 0 {
			out = append(out, ',')
		}
		sub := join(path, key.Value)
		c.fields[sub] = c.doc.at(key)
		out = append(appendString(out, key.Value), ':')
		out = c.single(out, value, fd.MapValue(), sub)
	}
	return append(out, '}')
}

// single checks one value that is no list and no map.
func (c *checker) single(out []byte, n *yaml.Node, fd protoreflect.FieldDescriptor, path string) []byte {
	if fd.Message() != nil {
		return c.message(out, n, fd.Message(), path)
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		c.problems.add(c.doc.at(n), "%s: expected %s, found %s", shown(path), noun(fd.Kind()), found(n))
		return append(out, "null"...)
	}
	if fd.Kind() == protoreflect.EnumKind {
		return c.enum(out, n, fd, path)
	}
	return c.scalar(out, n, fd.Kind(), path)
}

func (c *checker) enum(out []byte, n *yaml.Node, fd protoreflect.FieldDescriptor, path string) []byte {
	values := fd.Enum().Values()
	if values.ByName(protoreflect.Name(n.Value)) == nil {
		names := make([]string, values.Len())
		for i := range names {
			names[i] = string(values.Get(i).Name())
		}
		c.problems.add(c.doc.at(n), "%s: unknown value %q%s", shown(path), short(n.Value), didYouMean(n.Value, names))
		return append(out, "null"...)
	}
	return appendString(out, n.Value)
}

// appendString appends a JSON string.
func appendString(out []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return append(out, `""`...)
	}
	return append(out, b...)
}

func quote(s string) string { return fmt.Sprintf("%q", short(s)) }
