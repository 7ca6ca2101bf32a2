package report

import (
	"io"
	"strings"
)

// Topic is something that can be explained.
type Topic struct {
	Name  string
	Group string // cause, fault, outcome, ...
	Text  string
	Facts []Fact
}

// Fact is a labelled line of a topic.
type Fact struct{ Label, Text string }

// Topics writes what is asked for.
func Topics(w io.Writer, s Style, topics []Topic) error {
	p := newPage(s)
	for i, t := range topics {
		if i > 0 {
			p.blank()
		}
		p.para("", indent, in(bold, t.Name).add(" ("+t.Group+")"))
		p.para(indent, indent, say(t.Text))
		for _, f := range t.Facts {
			p.row(f.Label, say(f.Text))
		}
	}
	return p.flush(w)
}

// TopicList writes the names, by group.
func TopicList(w io.Writer, s Style, topics []Topic) error {
	p := newPage(s)
	for i := 0; i < len(topics); {
		var names []string
		group := topics[i].Group
		for ; i < len(topics) && topics[i].Group == group; i++ {
			names = append(names, topics[i].Name)
		}
		p.para("", indent, in(bold, group+"s"))
		if group == "field" {
			for _, n := range names {
				p.para(indent, indent+indent, say(n))
			}
			continue
		}
		p.para(indent, indent, say(strings.Join(names, ", ")))
	}
	return p.flush(w)
}
