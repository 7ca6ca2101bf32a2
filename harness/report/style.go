package report

// Style is how text is laid out. The zero value is plain text in 100 columns.
type Style struct {
	Color bool // ANSI colours
	Width int  // columns; 0 is 100, and less than 40 is 40
	ASCII bool // no characters beyond ASCII of our own
	// Verbose prints the details of drills and runs that pass too, and every event.
	Verbose bool
}

const (
	defaultWidth = 100
	leastWidth   = 40
)

func (s Style) width() int {
	if s.Width == 0 {
		return defaultWidth
	}
	return max(s.Width, leastWidth)
}

// pick is a glyph, or what stands for it in ASCII.
func (s Style) pick(glyph, ascii string) string {
	if s.ASCII {
		return ascii
	}
	return glyph
}

// paint is an ANSI colour or weight; the zero value changes nothing.
type paint string

const (
	plain   paint = ""
	bold    paint = "1"
	faint   paint = "2"
	red     paint = "31"
	green   paint = "32"
	yellow  paint = "33"
	blue    paint = "34"
	magenta paint = "35"
	cyan    paint = "36"
	redBold paint = "1;31"
)

// upstreamPaints tell upstreams apart, in the order of the run.
var upstreamPaints = []paint{cyan, magenta, blue, plain}
