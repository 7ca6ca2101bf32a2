package scenario

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// configReader reads the configuration of one input.
type configReader struct {
	reader
	loader *loader
	in     *Input
}

// references reads what the scenario names: spec.config and the steps that apply something.
func (c *configReader) references(from place) {
	s := c.in.Scenario
	for i, ref := range s.Spec.Config {
		c.reference(from, ref, index("spec.config", i), -1)
	}
	for i, step := range s.Spec.Timeline {
		if step.Patch != nil {
			c.patch(from, i)
		}
		if step.Apply != "" {
			c.reference(from, step.Apply, index("spec.timeline", i)+".apply", i)
		}
	}
}

// reference reads one file or folder that the scenario names.
func (c *configReader) reference(from place, ref, field string, step int) {
	base := path.Dir(from.name)
	if from.name == stdinName {
		base = ""
	}
	p, err := c.loader.files.find(base, ref)
	at := c.in.Where(field)
	switch {
	case errors.Is(err, errMissing):
		c.problems.add(at, "%s: %s", field, c.loader.files.missing(base, ref))
		return
	case err != nil:
		c.problems.add(at, "%s: %q %v", field, ref, err)
		return
	}
	places := []place{p}
	if c.walking = p.dir; p.dir {
		if places, err = p.walk(); err != nil {
			c.problems.add(at, "%s: %v", field, err)
			return
		}
	}
	c.in.usedEmbedded(p)
	had := len(c.in.Documents)
	before := len(c.problems)
	for _, child := range places {
		c.file(c.loader.open(child), step)
	}
	if len(c.in.Documents) == had && len(c.problems) == before {
		c.problems.add(at, "%s: %q has no Istio resource%s", field, ref, skippedText(c.in.Skipped))
	}
}

// file reads the documents of a configuration file.
func (c *configReader) file(f *file, step int) {
	c.problems = append(c.problems, f.problems...)
	if base := strings.ToLower(path.Base(f.name)); strings.TrimSuffix(base, path.Ext(base)) == "kustomization" {
		c.skip("Kustomization")
		return
	}
	for _, d := range f.docs {
		c.document(d, step)
	}
}

func (c *configReader) skip(kind string) {
	if c.in.Skipped == nil {
		c.in.Skipped = map[string]int{}
	}
	c.in.Skipped[kind]++
}

// document reads one configuration document; lists are opened.
func (c *configReader) document(d document, step int) {
	switch what, kind := c.classify(d); what {
	case foreign:
		c.skip(kind)
	case list:
		c.list(d, kind, step)
	case resource:
		res := c.resource(d, kind)
		if res == nil {
			return
		}
		c.in.Documents = append(c.in.Documents, Document{
			File: d.file, Line: d.node.Line, Kind: res.Kind, Namespace: res.Namespace, Name: res.Name,
			YAML: d.source(), Step: step,
		})
		if step < 0 {
			c.in.Resources = append(c.in.Resources, res)
			return
		}
		if c.in.Applied == nil {
			c.in.Applied = map[int][]*istio.Resource{}
		}
		c.in.Applied[step] = append(c.in.Applied[step], res)
	}
}

// list opens a list; in a ServiceEntryList the items need not repeat their kind.
func (c *configReader) list(d document, kind string, step int) {
	items := child(d.node, "items")
	if items == nil || isNull(items) {
		return
	}
	if items.Kind != yaml.SequenceNode {
		c.problems.add(d.at(items), "items: expected a list, found %s", found(items))
		return
	}
	for _, item := range items.Content {
		if item.Kind == yaml.MappingNode && kind != "" {
			own := slices.Clone(item.Content)
			for _, key := range []string{"kind", "apiVersion"} {
				if child(item, key) == nil {
					value := kind
					if key == "apiVersion" {
						value = text(child(d.node, key))
					}
					own = append([]*yaml.Node{scalarAt(item, key), scalarAt(item, value)}, own...)
				}
			}
			copied := *item
			copied.Content = own
			item = &copied
		}
		c.document(document{file: d.file, node: item}, step)
	}
}

func scalarAt(n *yaml.Node, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: n.Line, Column: n.Column}
}

// finish checks that no object is there twice.
func (c *configReader) finish() {
	c.twice(c.in.Resources)
	for _, i := range slices.Sorted(maps.Keys(c.in.Applied)) {
		c.twice(c.in.Applied[i])
	}
}

func (c *configReader) twice(list []*istio.Resource) {
	first := map[string]*istio.Resource{}
	for _, res := range list {
		if other := first[res.ID()]; other != nil {
			c.problems.add(res.Pos, "%s is already defined at %s", res.ID(), other.Pos)
			continue
		}
		first[res.ID()] = res
	}
}
