package scenario

import (
	"regexp"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// defaultNamespace is where an object or a client lives that does not say.
const defaultNamespace = "default"

// metadataFields are the fields of Kubernetes' ObjectMeta; those that are not
// read are what `kubectl get -o yaml` adds.
var metadataFields = []string{
	"name", "namespace", "labels", "annotations",
	"generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
	"deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields", "selfLink",
}

var documentFields = []string{"apiVersion", "kind", "metadata", "spec", "status"}

// reader collects what is wrong while documents are read.
type reader struct {
	problems Problems
	warnings Problems
	walking  bool // files of a folder: what is no Kubernetes object at all is passed over
}

// resource reads one Istio object; it is nil when anything in it is wrong.
func (r *reader) resource(d document, kind string) *istio.Resource {
	before := len(r.problems)
	message := istioKinds[kind]()
	c := &checker{
		reader: r, doc: d, root: message.ProtoReflect().Descriptor(),
		fields: map[string]istio.Position{},
	}
	res := &istio.Resource{
		APIVersion: text(child(d.node, "apiVersion")), Kind: kind, Namespace: defaultNamespace,
		Spec: message, Pos: d.at(d.node), Fields: c.fields,
	}
	specJSON := []byte("{}")
	for i := 0; i+1 < len(d.node.Content); i += 2 {
		key, value := d.node.Content[i], d.node.Content[i+1]
		c.fields[key.Value] = d.at(key)
		switch key.Value {
		case "apiVersion", "kind", "status":
		case "metadata":
			c.metadata(value, res)
		case "spec":
			if !isNull(value) {
				specJSON = c.message(nil, value, c.root, "spec")
			}
		default:
			c.unknown(key, "", documentFields, nil)
		}
	}
	if res.Name == "" && len(r.problems) == before {
		r.problems.add(res.Where("metadata.name"), "%s has no metadata.name", kind)
	}
	if len(r.problems) > before {
		return nil
	}
	if err := message.UnmarshalJSON(specJSON); err != nil {
		r.problems.add(res.Where("spec"), "%s %s is not accepted by Istio's own types: %v", kind, res.Name, err)
		return nil
	}
	return res
}

// metadata reads the part of ObjectMeta that matters and knows the rest.
func (c *checker) metadata(n *yaml.Node, res *istio.Resource) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.problems.add(c.doc.at(n), "metadata: expected a mapping, found %s", found(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := join("metadata", key.Value)
		c.fields[path] = c.doc.at(key)
		switch key.Value {
		case "name":
			if res.Name = c.str(value, path); res.Name != "" && !isSubdomain(res.Name) {
				c.problems.add(c.doc.at(value), "metadata.name: %q is not a DNS name: lower-case letters, digits, - and .", short(res.Name))
			}
		case "namespace":
			if ns := c.str(value, path); ns != "" {
				res.Namespace = ns
				if !isLabel(ns) {
					c.problems.add(c.doc.at(value), "metadata.namespace: %q is not a DNS label: lower-case letters, digits and -", short(ns))
				}
			}
		case "labels":
			res.Labels = c.strings(value, path)
			for _, p := range labelProblems(res.Labels) {
				c.problems.add(c.fields[join(path, p.key)], "%s: %s", path, p.message)
			}
		case "annotations":
			res.Annotations = c.strings(value, path)
		default:
			if !contains(metadataFields, key.Value) {
				c.unknown(key, "metadata", metadataFields[:4], nil)
			}
		}
	}
}

// str reads a text as Kubernetes does: a number has to be quoted.
func (c *checker) str(n *yaml.Node, path string) string {
	if isNull(n) {
		return ""
	}
	if !isText(n) {
		c.notText(n, path)
		return ""
	}
	return n.Value
}

// strings reads a mapping of texts.
func (c *checker) strings(n *yaml.Node, path string) map[string]string {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		c.problems.add(c.doc.at(n), "%s: expected a mapping, found %s", path, found(n))
		return nil
	}
	m := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := join(path, n.Content[i].Value)
		c.fields[p] = c.doc.at(n.Content[i])
		m[n.Content[i].Value] = c.str(n.Content[i+1], p)
	}
	return m
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)
	labelShape = "letters, digits, -, _ and ., at most 63, a letter or digit first and last"
)

func isLabel(s string) bool { return len(s) <= 63 && dnsLabel.MatchString(s) }

func isSubdomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for _, l := range strings.Split(s, ".") {
		if !dnsLabel.MatchString(l) {
			return false
		}
	}
	return true
}

type labelProblem struct{ key, message string }

// labelProblems checks labels the way Kubernetes does.
func labelProblems(labels map[string]string) []labelProblem {
	var ps []labelProblem
	for key, value := range labels {
		prefix, name, ok := strings.Cut(key, "/")
		if !ok {
			prefix, name = "", key
		}
		if ok && !isSubdomain(prefix) || len(name) > 63 || !labelName.MatchString(name) {
			ps = append(ps, labelProblem{key, "label name " + quote(key) + " is not valid: [DNS name/]" + labelShape})
		}
		if value != "" && (len(value) > 63 || !labelName.MatchString(value)) {
			ps = append(ps, labelProblem{key, "label value " + quote(value) + " of " + key + " is not valid: " + labelShape})
		}
	}
	return ps
}
