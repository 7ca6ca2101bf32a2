package scenario

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wellKnown checks the messages that JSON writes as something else than a
// mapping of their fields; false for all others.
func (c *checker) wellKnown(out []byte, n *yaml.Node, name protoreflect.FullName, path string) ([]byte, bool) {
	switch name {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Any":
		return c.free(out, n, path), true
	}
	kind, ok := map[protoreflect.FullName]protoreflect.Kind{
		"google.protobuf.Duration":    protoreflect.StringKind,
		"google.protobuf.Timestamp":   protoreflect.StringKind,
		"google.protobuf.StringValue": protoreflect.StringKind,
		"google.protobuf.BytesValue":  protoreflect.BytesKind,
		"google.protobuf.BoolValue":   protoreflect.BoolKind,
		"google.protobuf.Int32Value":  protoreflect.Int32Kind,
		"google.protobuf.Int64Value":  protoreflect.Int64Kind,
		"google.protobuf.UInt32Value": protoreflect.Uint32Kind,
		"google.protobuf.UInt64Value": protoreflect.Uint64Kind,
		"google.protobuf.FloatValue":  protoreflect.FloatKind,
		"google.protobuf.DoubleValue": protoreflect.DoubleKind,
	}[name]
	if !ok {
		return out, false
	}
	if name == "google.protobuf.Duration" {
		return c.duration(out, n, path), true
	}
	if n.Kind != yaml.ScalarNode {
		c.problems.add(c.doc.at(n), "%s: expected %s, found %s", shown(path), noun(kind), found(n))
		return append(out, "null"...), true
	}
	return c.scalar(out, n, kind, path), true
}

// scalar checks a value of a scalar type.
func (c *checker) scalar(out []byte, n *yaml.Node, kind protoreflect.Kind, path string) []byte {
	switch kind {
	case protoreflect.BoolKind:
		return c.boolean(out, n, path)
	case protoreflect.StringKind, protoreflect.BytesKind:
		if !isText(n) {
			c.notText(n, path)
		}
		return appendString(out, n.Value)
	}
	return c.number(out, n, kind, path)
}

func noun(kind protoreflect.Kind) string {
	switch kind {
	case protoreflect.EnumKind, protoreflect.StringKind, protoreflect.BytesKind:
		return "a text"
	case protoreflect.BoolKind:
		return "true or false"
	}
	return "a number"
}

// isText reports whether Kubernetes reads the scalar as a text.
func isText(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp", "!!binary":
		return true
	}
	return false
}

func (c *checker) notText(n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		c.problems.add(c.doc.at(n), "%s: expected a text, found %s; write it in quotes: %q", shown(path), found(n), short(n.Value))
		return
	}
	c.problems.add(c.doc.at(n), "%s: expected a text, found %s", shown(path), found(n))
}

// boolean reads what Kubernetes reads: YAML 1.1 has more words for it.
func (c *checker) boolean(out []byte, n *yaml.Node, path string) []byte {
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			return append(out, "true"...)
		case "false", "no", "off":
			return append(out, "false"...)
		}
	}
	c.problems.add(c.doc.at(n), "%s: expected true or false, found %s", shown(path), found(n))
	return append(out, "null"...)
}

func (c *checker) number(out []byte, n *yaml.Node, kind protoreflect.Kind, path string) []byte {
	v, ok := number(n.Value)
	if !ok || n.ShortTag() == "!!bool" {
		c.problems.add(c.doc.at(n), "%s: expected a number, found %s", shown(path), found(n))
		return append(out, "null"...)
	}
	low, high := numberRange(kind)
	whole := kind != protoreflect.FloatKind && kind != protoreflect.DoubleKind
	want := ""
	switch {
	case whole && v != math.Trunc(v):
		want = "a whole number"
	case v < low:
		want = fmt.Sprintf("at least %.0f", low)
	case v > high:
		want = fmt.Sprintf("at most %.0f", high)
	}
	if want != "" {
		c.problems.add(c.doc.at(n), "%s: expected %s, found %s", shown(path), want, short(n.Value))
		return append(out, "null"...)
	}
	if n.ShortTag() == "!!str" {
		c.warnings.add(c.doc.at(n), "%s: %q is read as a number; Kubernetes accepts it without quotes only", shown(path), n.Value)
	}
	if whole {
		return strconv.AppendInt(out, int64(v), 10)
	}
	return strconv.AppendFloat(out, v, 'g', -1, 64)
}

// number reads a YAML number; the text decides, as everywhere.
func number(text string) (float64, bool) {
	if i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64); err == nil {
		return float64(i), true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func numberRange(kind protoreflect.Kind) (low, high float64) {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return math.MinInt32, math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return 0, math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return 0, 1 << 53
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return -1 << 53, 1 << 53
	case protoreflect.FloatKind:
		return -math.MaxFloat32, math.MaxFloat32
	}
	return -math.MaxFloat64, math.MaxFloat64
}

// duration reads a google.protobuf.Duration as Istio does: any Go duration, 10s and 1m30s alike.
func (c *checker) duration(out []byte, n *yaml.Node, path string) []byte {
	v, err := time.ParseDuration(n.Value)
	switch {
	case !isText(n):
		c.problems.add(c.doc.at(n), "%s: expected a time such as 15s or 1m30s, found %s", shown(path), found(n))
	case err != nil:
		c.problems.add(c.doc.at(n), "%s: expected a time such as 15s or 1m30s, found %q", shown(path), short(n.Value))
	case v < 0:
		c.problems.add(c.doc.at(n), "%s: expected a time of 0s or more, found the negative %s", shown(path), n.Value)
	}
	return appendString(out, n.Value)
}

// free writes whatever stands there: EnvoyFilter patches have no schema of Istio's.
func (c *checker) free(out []byte, n *yaml.Node, path string) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		out = append(out, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				out = append(out, ',')
			}
			sub := join(path, n.Content[i].Value)
			c.fields[sub] = c.doc.at(n.Content[i])
			out = append(appendString(out, n.Content[i].Value), ':')
			out = c.free(out, n.Content[i+1], sub)
		}
		return append(out, '}')
	case yaml.SequenceNode:
		out = append(out, '[')
		for i, item := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			sub := index(path, i)
			c.fields[sub] = c.doc.at(item)
			out = c.free(out, item, sub)
		}
		return append(out, ']')
	}
	tag := n.ShortTag()
	v, isNumber := number(n.Value)
	switch {
	case tag == "!!null":
		return append(out, "null"...)
	case tag == "!!bool":
		return strconv.AppendBool(out, slices.Contains([]string{"true", "True", "TRUE"}, n.Value))
	case (tag == "!!int" || tag == "!!float") && isNumber:
		return strconv.AppendFloat(out, v, 'g', -1, 64)
	}
	return appendString(out, n.Value)
}
