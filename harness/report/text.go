package report

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// text is a line or paragraph in parts of one colour each.
type text []span

type span struct {
	s string
	p paint
}

// say starts a text.
func say(s string) text { return text{{s, plain}} }

// in starts a text in a colour.
func in(p paint, s string) text { return text{{s, p}} }

func (t text) add(s string) text            { return append(t, span{s, plain}) }
func (t text) paint(p paint, s string) text { return append(t, span{s, p}) }
func (t text) then(o text) text             { return append(t, o...) }

// cell is one character on the screen.
type cell struct {
	r     rune
	w     int // columns: 0 for combining marks, 2 for wide characters
	p     paint
	glued bool // a space at which no line breaks: the one of 10 %
}

// cells makes the text harmless: line breaks become spaces, and characters
// that a terminal would act on become a replacement mark.
func (t text) cells(ascii bool) []cell {
	var out []cell
	for _, s := range t {
		for _, r := range s.s {
			r = harmless(r, ascii)
			out = append(out, cell{r: r, w: columns(r), p: s.p})
		}
	}
	glue(out)
	return out
}

// glue marks the spaces between a figure and its unit.
func glue(cs []cell) {
	for i := 1; i+1 < len(cs); i++ {
		if cs[i].r != ' ' || cs[i-1].r < '0' || cs[i-1].r > '9' {
			continue
		}
		unit := cs[i+1].r
		cs[i].glued = unit == '%' || unit == 's' && (i+2 == len(cs) || !unicode.IsLetter(cs[i+2].r))
	}
}

// breaks reports whether a line may end at the cell.
func (c *cell) breaks() bool { return c.r == ' ' && !c.glued }

func harmless(r rune, ascii bool) rune {
	switch {
	case r >= ' ' && r <= '~' || ours(r):
		return r
	case r == '\n' || r == '\t' || r == '\r':
		return ' '
	case r != utf8.RuneError && !unicode.Is(unicode.Cc, r) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r):
		return r
	case ascii:
		return '?'
	}
	return utf8.RuneError
}

// ours are the lines and blocks that timelines are drawn with.
func ours(r rune) bool { return r >= 0x2500 && r <= 0x259f }

// columns is the width of a character on a terminal.
func columns(r rune) int {
	if r < 0x300 || ours(r) {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func measure(cs []cell) int {
	n := 0
	for _, c := range cs {
		n += c.w
	}
	return n
}

// columns is the width of the text on one line.
func (t text) columns() int { return measure(t.cells(false)) }

// String is the text on one line, harmless and without colour.
func (t text) String() string {
	var b strings.Builder
	for _, c := range t.cells(false) {
		b.WriteRune(c.r)
	}
	return b.String()
}

// wrap breaks cells at spaces into lines of at most first columns, then rest
// columns. A word that is wider than a line is broken where the line ends.
// Spaces at a break are dropped. There is always at least one line.
func wrap(cs []cell, first, rest int) [][]cell {
	var lines [][]cell
	limit := max(first, 1)
	cs = trimRight(trimLeft(cs))
	for {
		n := fits(cs, limit)
		if n == len(cs) {
			return append(lines, cs)
		}
		cut := n
		if !cs[n].breaks() {
			for cut > 0 && !cs[cut-1].breaks() {
				cut--
			}
			if cut == 0 {
				cut = max(seam(cs, n), 1)
			}
		}
		lines = append(lines, trimRight(cs[:cut]))
		cs = trimLeft(cs[cut:])
		limit = max(rest, 1)
	}
}

// seam is where to break a word that is wider than a line: after a sign that
// paths and fields are made of, when there is one in the line's second half.
func seam(cs []cell, n int) int {
	for i := n; i > n/2; i-- {
		if strings.ContainsRune("/.,=_:-|", cs[i-1].r) {
			return i
		}
	}
	return n
}

// fits is the number of cells that fit into the columns.
func fits(cs []cell, limit int) int {
	n := 0
	for i, c := range cs {
		if n+c.w > limit {
			return i
		}
		n += c.w
	}
	return len(cs)
}

func trimLeft(cs []cell) []cell {
	for len(cs) > 0 && cs[0].r == ' ' {
		cs = cs[1:]
	}
	return cs
}

func trimRight(cs []cell) []cell {
	for len(cs) > 0 && cs[len(cs)-1].r == ' ' {
		cs = cs[:len(cs)-1]
	}
	return cs
}

// render writes cells with the colours that they ask for.
func render(b *strings.Builder, cs []cell, color bool) {
	at := plain
	for _, c := range cs {
		if color && c.p != at {
			if at != plain {
				b.WriteString("\x1b[0m")
			}
			if c.p != plain {
				b.WriteString("\x1b[" + string(c.p) + "m")
			}
			at = c.p
		}
		b.WriteRune(c.r)
	}
	if at != plain {
		b.WriteString("\x1b[0m")
	}
}
