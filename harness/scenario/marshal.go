package scenario

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Marshal writes a scenario as YAML that reads back equal.
func Marshal(s Scenario) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("writing scenario %s: %w", s.Metadata.Name, err)
	}
	return b.Bytes(), nil
}

// Bundle writes a scenario with its whole configuration, so that it can be
// loaded again without the files that it came from: scenario.yaml, with the
// configuration at 0s behind it, and a file for each step that applies
// something. Keys are file names.
func Bundle(in *Input) (map[string][]byte, error) {
	if in.Scenario == nil {
		return nil, fmt.Errorf("%s is no scenario", in.Name)
	}
	s := *in.Scenario
	s.Spec.Config = nil
	s.Spec.Timeline = append([]Step(nil), s.Spec.Timeline...)
	files := map[string][]byte{}
	for i := range s.Spec.Timeline {
		if step := &s.Spec.Timeline[i]; step.Apply != "" {
			step.Apply = fmt.Sprintf("apply-%d.yaml", i)
			files[step.Apply] = in.documents(i)
		}
	}
	text, err := Marshal(s)
	if err != nil {
		return nil, err
	}
	if config := in.documents(-1); len(config) > 0 {
		text = append(append(text, "---\n"...), config...)
	}
	files["scenario.yaml"] = text
	return files, nil
}

// documents joins the documents of a step.
func (in *Input) documents(step int) []byte {
	var b bytes.Buffer
	for _, d := range in.Documents {
		if d.Step != step {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("---\n")
		}
		b.WriteString(d.YAML)
		if n := b.Len(); n > 0 && b.Bytes()[n-1] != '\n' {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
