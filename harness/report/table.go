package report

// table is rows of cells in columns. Cells wrap within their column.
type table struct {
	head  []string
	right []bool // columns that align to the right
	rows  [][]text
}

func (t *table) add(cells ...text) { t.rows = append(t.rows, cells) }

const gap = 2 // columns between columns

// layout makes lines of at most so many columns: the widest columns give way
// until all fit. Where words would have to be broken, each row becomes a
// paragraph instead.
func (t *table) layout(limit int, ascii bool) [][]cell {
	grid := t.cells(ascii)
	widths, ok := columnWidths(grid, limit)
	if !ok {
		return t.paragraphs(limit, ascii)
	}
	var out [][]cell
	for _, row := range grid {
		out = append(out, t.lines(row, widths)...)
	}
	return out
}

// fits reports whether the table needs no paragraphs.
func (t *table) fits(limit int, ascii bool) bool {
	_, ok := columnWidths(t.cells(ascii), limit)
	return ok
}

func (t *table) cells(ascii bool) [][][]cell {
	grid := make([][][]cell, 0, len(t.rows)+1)
	if t.head != nil {
		var row [][]cell
		for _, h := range t.head {
			row = append(row, in(faint, h).cells(ascii))
		}
		grid = append(grid, row)
	}
	for _, r := range t.rows {
		var row [][]cell
		for _, c := range r {
			row = append(row, c.cells(ascii))
		}
		grid = append(grid, row)
	}
	return grid
}

// columnWidths are the widths that fit; false if they break words.
func columnWidths(grid [][][]cell, limit int) ([]int, bool) {
	var ws, least []int
	for _, row := range grid {
		for i, c := range row {
			if i == len(ws) {
				ws, least = append(ws, 0), append(least, 1)
			}
			ws[i] = max(ws[i], measure(c))
			least[i] = max(least[i], longestWord(c))
		}
	}
	total := gap * max(0, len(ws)-1)
	for _, w := range ws {
		total += w
	}
	for ; total > limit; total-- {
		widest := -1
		for i, w := range ws {
			if w > least[i] && (widest < 0 || w > ws[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return nil, false
		}
		ws[widest]--
	}
	return ws, true
}

func longestWord(cs []cell) int {
	longest, n := 0, 0
	for _, c := range cs {
		n += c.w
		if c.breaks() {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

// paragraphs writes each row as its first cell, and the others behind their
// headings.
func (t *table) paragraphs(limit int, ascii bool) [][]cell {
	var out [][]cell
	for _, r := range t.rows {
		var p text
		for i, c := range r {
			if c.columns() == 0 {
				continue
			}
			switch {
			case i > 1 && p != nil:
				p = p.add(", ")
			case p != nil:
				p = p.add(": ")
			}
			if i > 0 && i < len(t.head) {
				p = p.paint(faint, t.head[i]+" ")
			}
			p = p.then(c)
		}
		for i, l := range wrap(p.cells(ascii), limit, limit-gap) {
			if i > 0 {
				l = append(blanks(gap), l...)
			}
			out = append(out, l)
		}
	}
	return out
}

// lines lays out one row, which is as high as its highest cell.
func (t *table) lines(row [][]cell, widths []int) [][]cell {
	wrapped := make([][][]cell, len(row))
	height := 0
	for i, c := range row {
		wrapped[i] = wrap(c, widths[i], widths[i])
		height = max(height, len(wrapped[i]))
	}
	var out [][]cell
	for k := range height {
		var l []cell
		for i := range row {
			if i > 0 {
				l = append(l, blanks(gap)...)
			}
			var c []cell
			if k < len(wrapped[i]) {
				c = wrapped[i][k]
			}
			fill := blanks(widths[i] - measure(c))
			if i < len(t.right) && t.right[i] {
				l = append(append(l, fill...), c...)
			} else {
				l = append(append(l, c...), fill...)
			}
		}
		out = append(out, trimRight(l))
	}
	return out
}

func blanks(n int) []cell {
	cs := make([]cell, max(0, n))
	for i := range cs {
		cs[i] = cell{r: ' ', w: 1}
	}
	return cs
}
