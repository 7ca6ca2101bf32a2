package scenario

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/faildrill/faildrill/harness/istio"
	"go.yaml.in/yaml/v3"
)

// document is one YAML document of a file, without aliases and merges.
type document struct {
	file string
	node *yaml.Node // a mapping, or whatever stands there instead
	text string     // as written; "" when it is an item of a list
}

func (d document) at(n *yaml.Node) istio.Position {
	return istio.Position{File: d.file, Line: n.Line, Column: n.Column}
}

// source is the document as text.
func (d document) source() string {
	if d.text != "" {
		return d.text
	}
	text, err := yaml.Marshal(d.node)
	if err != nil {
		return ""
	}
	return string(text)
}

// parseYAML takes a file apart into its documents. What cannot be parsed is a
// problem; the documents before it are still returned.
func parseYAML(file string, data []byte) ([]document, Problems) {
	var problems Problems
	whole := istio.Position{File: file}
	if i := notText(data); i >= 0 {
		problems.add(whole, "is not a text file: byte %d is not UTF-8 text", i)
		return nil, problems
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = fromJSON(data)
	parts := split(string(data))
	var docs []document
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		node, err := next(dec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			pos, message := syntaxError(data, err)
			pos.File = file
			problems.add(pos, "is not YAML: %s", message)
			break
		}
		if node == nil || isNull(node) {
			continue // only comments
		}
		e := expander{file: file}
		node = e.expand(node)
		problems = append(problems, e.problems...)
		if node != nil {
			docs = append(docs, document{file, node, partAt(parts, node.Line)})
		}
	}
	return docs, problems
}

// jsonOnly are the escapes that JSON has and YAML has not: \/ and pairs of surrogates.
var jsonOnly = regexp.MustCompile(`\\(?:[^u/]|u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|/)`)

// fromJSON rewrites what keeps a JSON file from being YAML; lines stay what they are.
func fromJSON(data []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || !bytes.Contains(data, []byte(`\`)) || !json.Valid(data) {
		return data
	}
	return jsonOnly.ReplaceAllFunc(data, func(escape []byte) []byte {
		switch {
		case string(escape) == `\/`:
			return []byte("/")
		case len(escape) == len(`\ud83d\ude00`):
			high, _ := strconv.ParseUint(string(escape[2:6]), 16, 32)
			low, _ := strconv.ParseUint(string(escape[8:12]), 16, 32)
			return fmt.Appendf(nil, `\U%08X`, utf16.DecodeRune(rune(high), rune(low)))
		}
		return escape
	})
}

// next reads one document; the parser's own accidents are errors too.
func next(dec *yaml.Decoder) (node *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// notText is the offset of the first byte that no text file has, or -1.
func notText(data []byte) int {
	for i := 0; i < len(data); {
		if data[i] == 0 {
			return i
		}
		if data[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// part is the text between two document markers.
type part struct {
	line int
	text string
}

func split(text string) []part {
	var parts []part
	var b strings.Builder
	start, line := 1, 0
	for l := range strings.Lines(text) {
		line++
		if bare := strings.TrimRight(l, " \t\r\n"); bare == "---" || strings.HasPrefix(l, "--- ") {
			parts = append(parts, part{start, b.String()})
			b.Reset()
			start = line
			if bare == "---" {
				continue
			}
			l = strings.TrimPrefix(l, "--- ")
		}
		b.WriteString(l)
	}
	return append(parts, part{start, b.String()})
}

func partAt(parts []part, line int) string {
	i, found := slices.BinarySearchFunc(parts, line, func(p part, line int) int { return cmp.Compare(p.line, line) })
	if found {
		for i+1 < len(parts) && parts[i+1].line == line {
			i++
		}
		return parts[i].text
	}
	return parts[max(i-1, 0)].text
}

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError places a message of the YAML library. The line that the library
// names is often where the surrounding block starts; the first line up to which
// the file is wrong in the same way is where a reader has to look.
func syntaxError(data []byte, err error) (istio.Position, string) {
	message := err.Error()
	m := yamlError.FindStringSubmatch(message)
	line := 1
	if m != nil {
		message = m[2]
		line, _ = strconv.Atoi(m[1])
		line = max(line, 1)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(data) < 1<<18 { // each try parses the file
		low, high := 1, len(lines) // the least number of lines that fails the same way
		for low < high {
			mid := (low + high) / 2
			if failsAs(bytes.Join(lines[:mid], nil), err) {
				high = mid
			} else {
				low = mid + 1
			}
		}
		line = low
	}
	line = min(line, len(lines))
	at := lines[line-1]
	indent := len(at) - len(bytes.TrimLeft(at, " \t"))
	if tab := bytes.IndexByte(at[:indent], '\t'); tab >= 0 && strings.Contains(message, "cannot start any token") {
		return istio.Position{Line: line, Column: tab + 1}, "a tab cannot indent YAML; use spaces"
	}
	return istio.Position{Line: line, Column: indent + 1}, message
}

func failsAs(data []byte, want error) bool {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := next(dec); err != nil {
			return err.Error() == want.Error()
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
