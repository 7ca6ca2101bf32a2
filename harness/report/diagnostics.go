package report

import (
	"cmp"
	"io"
	"slices"
	"strconv"
)

// Diagnostic is one finding at a place in a file.
type Diagnostic struct {
	File         string
	Line, Column int    // 0: not known
	Severity     string // error, warning, info
	Code         string
	Message      string
	Fix          string // "": none is known
}

// Diagnostics writes findings as file:line:col: severity: message [code], each
// with its fix below it, in the order of their places, and then their number.
func Diagnostics(w io.Writer, s Style, ds []Diagnostic) error {
	p := newPage(s)
	ds = slices.Clone(ds)
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Fix, b.Fix),
		)
	})
	n := map[string]int{}
	for i := range ds {
		d := &ds[i]
		p.para("", "    ", d.text())
		if d.Fix != "" {
			p.block(say("    fix: "), "         ", in(green, d.Fix))
		}
		n[d.Severity]++
	}
	p.para("", "", findings(len(ds), n))
	return p.flush(w)
}

func (d *Diagnostic) text() text {
	at := place(d.File, d.Line)
	if d.Line > 0 && d.Column > 0 {
		at += ":" + strconv.Itoa(d.Column)
	}
	var t text
	if at != "" {
		t = in(bold, at+":").add(" ")
	}
	if d.Severity != "" {
		t = t.paint(severityPaint(d.Severity), d.Severity).add(": ")
	}
	t = t.add(d.Message)
	if d.Code != "" {
		t = t.paint(faint, " ["+d.Code+"]")
	}
	return t
}

func severityPaint(s string) paint {
	switch s {
	case "error":
		return redBold
	case "warning":
		return yellow
	}
	return cyan
}

func findings(total int, n map[string]int) text {
	if total == 0 {
		return in(green, "no findings")
	}
	t := say(count(total, "finding") + ":")
	sep := " "
	for _, s := range []string{"error", "warning", "info"} {
		if n[s] > 0 {
			words := count(n[s], s)
			if s == "info" {
				words = strconv.Itoa(n[s]) + " info"
			}
			t = t.add(sep).paint(severityPaint(s), words)
			sep = ", "
			total -= n[s]
		}
	}
	if total > 0 {
		t = t.add(sep + strconv.Itoa(total) + " other")
	}
	return t
}
