package scenario

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
)

// Input is one thing to plan or run: a scenario, or one plain configuration.
type Input struct {
	Name      string                    // of the scenario; of the folder or file for plain Istio YAML
	File      string                    // the scenario's file; the folder or the first file of a plain configuration
	Scenario  *Scenario                 // nil for plain Istio YAML
	Resources []*istio.Resource         // the configuration at 0s
	Applied   map[int][]*istio.Resource // what a step applies, by its index in spec.timeline
	Documents []Document                // the configuration as it was written, so that a run can be repeated without its files
	Fields    map[string]istio.Position // where the scenario's fields stand, "spec.timeline[0].at"
	Skipped   map[string]int            // kinds outside Istio's networking group, counted
	Warnings  []Problem                 // what is accepted and does not do what it seems to
	Embedded  []string                  // paths that were missing on disk and came with the program
}

// Document is one configuration document as text.
type Document struct {
	File      string
	Line      int
	Kind      string
	Namespace string
	Name      string
	YAML      string
	Step      int // the index in spec.timeline of the step that applies it; -1: there at 0s
}

// Where is the place of a scenario field, or of its nearest ancestor that is written.
func (in *Input) Where(path string) istio.Position {
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if pos, ok := in.Fields[p]; ok {
			return pos
		}
	}
	return istio.Position{File: in.File, Line: 1, Column: 1}
}

// Has reports whether the scenario writes the field.
func (in *Input) Has(path string) bool { _, ok := in.Fields[path]; return ok }

// Load reads files, folders and standard input ("-"). Each Scenario is an
// input; a folder without one is a configuration, and so are the plain files
// together. The error is a Problems with everything that is wrong.
func Load(files Files, paths []string) ([]*Input, error) {
	l := &loader{files: files, parsed: map[string]*file{}, done: map[string]bool{}}
	var plain []*file
	for _, p := range paths {
		plain = append(plain, l.path(p)...)
	}
	if len(plain) > 0 {
		l.configuration(plainName(plain), plain, false)
	}
	l.uniqueNames()
	if len(l.problems) > 0 {
		return nil, l.problems.sorted().atMost(maxProblems)
	}
	return l.inputs, nil
}

// loader reads the paths of one command.
type loader struct {
	files    Files
	parsed   map[string]*file
	done     map[string]bool // places that were read as input
	inputs   []*Input
	problems Problems
}

// file is one file, taken apart into documents.
type file struct {
	place
	docs     []document
	problems Problems
}

// hasScenario reports whether one of the documents is a Scenario.
func (f *file) hasScenario() bool {
	for _, d := range f.docs {
		if d.isOurs() {
			return true
		}
	}
	return false
}

// open reads and parses a file, once.
func (l *loader) open(p place) *file {
	if f := l.parsed[p.name]; f != nil {
		return f
	}
	f := &file{place: p}
	l.parsed[p.name] = f
	data, err := l.files.read(p)
	if err != nil {
		f.problems.add(istio.Position{File: p.name}, "%v", err)
		return f
	}
	f.docs, f.problems = parseYAML(p.name, data)
	return f
}

// path reads one path of the command line. Plain files are handed back:
// together they are one configuration.
func (l *loader) path(name string) []*file {
	p := place{name: stdinName}
	if name != "-" {
		var err error
		p, err = l.files.find("", name)
		if errors.Is(err, errMissing) {
			l.problems.add(istio.Position{}, "%s", l.files.missing("", name))
			return nil
		} else if err != nil {
			l.problems.add(istio.Position{File: name}, "%v", err)
			return nil
		}
	}
	if l.done[p.name] {
		return nil
	}
	l.done[p.name] = true
	if p.dir {
		l.folder(p)
		return nil
	}
	f := l.open(p)
	if len(f.docs) == 0 && len(f.problems) == 0 {
		f.problems.add(istio.Position{File: p.name}, "is empty; expected a Scenario or Istio YAML")
	}
	if f.hasScenario() {
		l.scenario(f)
		return nil
	}
	return []*file{f}
}

// folder reads a folder: its scenarios, or, without any, one configuration.
func (l *loader) folder(p place) {
	places, err := p.walk()
	if err != nil {
		l.problems.add(istio.Position{}, "%v", err)
		return
	}
	if len(places) == 0 {
		l.problems.add(istio.Position{File: p.name}, "holds no YAML files; expected *.yaml, *.yml or *.json")
		return
	}
	var all, withScenario []*file
	for _, child := range places {
		f := l.open(child)
		all = append(all, f)
		if f.hasScenario() {
			withScenario = append(withScenario, f)
		}
	}
	if len(withScenario) == 0 {
		l.configuration(folderName(p), all, true)
		return
	}
	for _, f := range all {
		l.problems = append(l.problems, f.problems...)
	}
	for _, f := range withScenario {
		if !l.done[f.name] {
			l.done[f.name] = true
			l.scenario(f)
		}
	}
}

// configuration makes one input of plain files, named or found in a folder.
func (l *loader) configuration(name string, files []*file, walked bool) {
	in := &Input{Name: name, File: files[0].name}
	if len(files) > 1 {
		in.File = path.Dir(files[0].name)
	}
	c := &configReader{loader: l, in: in}
	c.walking = walked
	for _, f := range files {
		in.usedEmbedded(f.place)
		c.file(f, -1)
	}
	c.finish()
	if len(in.Resources) == 0 && len(c.problems) == 0 {
		c.problems.add(istio.Position{File: in.File}, "has no Istio resource%s", skippedText(in.Skipped))
	}
	l.add(in, c)
}

// scenario makes one input of a file with a Scenario.
func (l *loader) scenario(f *file) {
	in := &Input{File: f.name, Fields: map[string]istio.Position{}}
	in.usedEmbedded(f.place)
	c := &configReader{loader: l, in: in}
	c.problems = append(c.problems, f.problems...)
	var own *document
	for _, d := range f.docs {
		if !d.isOurs() {
			c.document(d, -1)
			continue
		}
		if kind, _ := c.classify(d); kind != scenario {
			continue
		}
		if own != nil {
			c.problems.add(d.at(d.node), "a second Scenario; a file holds one")
			continue
		}
		own = &d
	}
	if own == nil {
		c.finish()
		l.add(in, c)
		return
	}
	dec := &decoder{doc: *own, fields: in.Fields, bad: map[string]bool{}}
	in.Scenario = new(Scenario)
	dec.value(own.node, reflect.ValueOf(in.Scenario).Elem(), "")
	in.Name = in.Scenario.Metadata.Name
	c.problems = append(c.problems, dec.problems...)
	c.references(f.place)
	c.finish()
	if len(c.problems) > len(dec.problems) {
		dec.bad[partConfig] = true
	}
	c.problems = append(c.problems, validate(in, dec.bad, l.files.Checks)...)
	l.add(in, c)
}

func (l *loader) add(in *Input, c *configReader) {
	in.Warnings = c.warnings.sorted()
	slices.Sort(in.Embedded)
	in.Embedded = slices.Compact(in.Embedded)
	l.problems = append(l.problems, c.problems...)
	l.inputs = append(l.inputs, in)
}

// uniqueNames reports scenarios of one name, and tells plain configurations of one name apart.
func (l *loader) uniqueNames() {
	first := map[string]*Input{}
	for _, in := range l.inputs {
		other := first[in.Name]
		switch {
		case in.Name == "":
		case other == nil:
			first[in.Name] = in
		case in.Scenario != nil && other.Scenario != nil:
			l.problems.add(in.Where("metadata.name"), "the name %q is already taken by %s", in.Name, other.Where("metadata.name"))
		default:
			for i := 2; ; i++ {
				if name := fmt.Sprintf("%s-%d", in.Name, i); first[name] == nil {
					in.Name = name
					first[name] = in
					break
				}
			}
		}
	}
}

// usedEmbedded notes that a path came with the program.
func (in *Input) usedEmbedded(p place) {
	if p.tree != nil {
		in.Embedded = append(in.Embedded, p.name)
	}
}

func skippedText(skipped map[string]int) string {
	if len(skipped) == 0 {
		return ""
	}
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(skipped)) {
		kinds = append(kinds, fmt.Sprintf("%s (%d)", k, skipped[k]))
	}
	return "; skipped " + strings.Join(kinds, ", ")
}

func plainName(files []*file) string {
	if len(files) > 1 {
		dir := path.Dir(files[0].name)
		for _, f := range files {
			if path.Dir(f.name) != dir {
				dir = ""
			}
		}
		if dir != "" {
			return folderName(place{name: dir})
		}
	}
	base := path.Base(files[0].name)
	if base == stdinName {
		return "stdin"
	}
	return strings.TrimSuffix(base, path.Ext(base))
}

func folderName(p place) string {
	if abs, err := filepath.Abs(filepath.FromSlash(p.name)); err == nil && p.tree == nil {
		return filepath.Base(abs)
	}
	return path.Base(p.name)
}
