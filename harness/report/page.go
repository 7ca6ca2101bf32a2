package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// page collects lines and writes them at the end.
type page struct {
	s     Style
	b     strings.Builder
	scale float64 // what times of results are multiplied by; 0 is 1
}

func newPage(s Style) *page { return &page{s: s} }

// flush writes the page.
func (p *page) flush(w io.Writer) error {
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (p *page) blank() { p.b.WriteByte('\n') }

// para writes a paragraph: first in front of its first line, rest in front of
// the others. Both are plain.
func (p *page) para(first, rest string, t text) {
	p.block(say(first), rest, t)
}

// block is para with colours in what stands in front.
func (p *page) block(first text, rest string, t text) {
	head := first.cells(p.s.ASCII)
	lines := wrap(t.cells(p.s.ASCII), p.s.width()-measure(head), p.s.width()-len(rest))
	for i, l := range lines {
		if i == 0 {
			l = append(append([]cell{}, head...), l...)
		} else {
			l = append(say(rest).cells(p.s.ASCII), l...)
		}
		render(&p.b, trimRight(l), p.s.Color)
		p.blank()
	}
}

// Rows of details stand in two columns: what it is, and the thing.
const (
	indent     = "  "
	labelWidth = 14
	hang       = len(indent) + labelWidth
)

// row writes a labelled paragraph.
func (p *page) row(label string, t text) {
	p.block(say(indent).paint(faint, pad(label, labelWidth)), strings.Repeat(" ", hang), t)
}

// list writes a labelled paragraph for each text.
func (p *page) list(label string, tint paint, ss []string) {
	for _, s := range ss {
		p.row(label, in(tint, s))
		label = ""
	}
}

// copyable writes a path or a command, on a line of its own when it would have
// to be broken otherwise.
func (p *page) copyable(label, s string) {
	t := say(s)
	if t.columns() <= p.s.width()-hang {
		p.row(label, t)
		return
	}
	p.row(label, nil)
	p.para(indent, "", t)
}

// rows writes a labelled table.
func (p *page) rows(label string, t table) {
	for _, l := range t.layout(p.s.width()-hang, p.s.ASCII) {
		line := say(indent).paint(faint, pad(label, labelWidth)).cells(p.s.ASCII)
		render(&p.b, trimRight(append(line, l...)), p.s.Color)
		p.blank()
		label = ""
	}
}

func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-text{{s, plain}}.columns()))
}

// clock writes a time of a result as the drill's own seconds.
func (p *page) clock(f float64) string {
	return strconv.FormatFloat(f*scaleOr1(p.scale), 'f', 1, 64)
}
