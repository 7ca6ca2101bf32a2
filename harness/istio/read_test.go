package istio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// read makes resources of YAML documents, with the position of every field. The
// strict reader with good errors is harness/scenario.
func read(t testing.TB, file, text string) []*Resource {
	t.Helper()
	var list []*Resource
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, resource(t, file, doc.Content[0]))
	}
}

func resource(t testing.TB, file string, n *yaml.Node) *Resource {
	t.Helper()
	var doc struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct {
			Name, Namespace     string
			Labels, Annotations map[string]string
		}
		Spec map[string]any
	}
	if err := n.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	r := &Resource{
		APIVersion: doc.APIVersion, Kind: doc.Kind, Name: doc.Metadata.Name, Namespace: doc.Metadata.Namespace,
		Labels: doc.Metadata.Labels, Annotations: doc.Metadata.Annotations,
		Pos: Position{file, n.Line, n.Column}, Fields: map[string]Position{},
	}
	if r.Namespace == "" {
		r.Namespace = "default"
	}
	positions(r, n, "")
	spec, err := json.Marshal(doc.Spec)
	if err != nil {
		t.Fatal(err)
	}
	r.Spec = newSpec(doc.Kind)
	if r.Spec == nil {
		t.Fatalf("%s: no test message for kind %s", file, doc.Kind)
	}
	if err := r.Spec.(json.Unmarshaler).UnmarshalJSON(spec); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

func newSpec(kind string) proto.Message {
	switch kind {
	case "ServiceEntry":
		return &networking.ServiceEntry{}
	case "DestinationRule":
		return &networking.DestinationRule{}
	case "VirtualService":
		return &networking.VirtualService{}
	case "Sidecar":
		return &networking.Sidecar{}
	case "Gateway":
		return &networking.Gateway{}
	}
	return nil
}

func positions(r *Resource, n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if path != "" {
				key = path + "." + key
			}
			r.Fields[key] = Position{r.Pos.File, n.Content[i].Line, n.Content[i].Column}
			positions(r, n.Content[i+1], key)
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			key := fmt.Sprintf("%s[%d]", path, i)
			r.Fields[key] = Position{r.Pos.File, e.Line, e.Column}
			positions(r, e, key)
		}
	}
}

func profile(t testing.TB, text string) Profile {
	t.Helper()
	p, err := ParseProfile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
