package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
)

// Problem is one thing that is wrong with the input, and where.
type Problem struct {
	Pos     istio.Position
	Message string
}

// String is file:line:col: message, or file: message for a whole file.
func (p Problem) String() string {
	switch {
	case p.Pos.File == "":
		return p.Message
	case p.Pos.Line == 0:
		return p.Pos.File + ": " + p.Message
	}
	return p.Pos.String() + ": " + p.Message
}

// maxProblems is the most that Load reports; a machine's file can be wrong on every line.
const maxProblems = 1000

// Problems is everything that is wrong with the input, in order of file, line and column.
type Problems []Problem

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps *Problems) add(pos istio.Position, format string, args ...any) {
	*ps = append(*ps, Problem{pos, fmt.Sprintf(format, args...)})
}

// sorted is the problems in order, each once: a file that two scenarios name
// is read twice and still wrong once.
func (ps Problems) sorted() Problems {
	ps = slices.Clone(ps)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column),
			strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(ps)
}

// atMost cuts the list, and says so.
func (ps Problems) atMost(n int) Problems {
	if len(ps) <= n {
		return ps
	}
	rest := len(ps) - n
	ps = ps[:n:n]
	ps.add(istio.Position{}, "and %d more problems", rest)
	return ps
}
