package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
)

type resource = istio.Resource

// summary counts what was compared.
type summary struct {
	options
	counts
	took        time.Duration
	differences map[string]int // by sign
	different   int            // pairs
	shrunk      int            // differences
}

// counts are of what was drawn, without the cuts of shrinking.
type counts struct {
	drawn, compared, refused, crashes int // pairs
	validated, known                  int // objects; known differences in what is refused
	clusters, hosts                   int
}

func newSummary(o options) *summary { return &summary{options: o, differences: map[string]int{}} }

// fresh counts the difference and reports whether it is to be shrunk: one whose
// kinds have all been seen is like another.
func (s *summary) fresh(d difference) bool {
	seen := true
	for _, sign := range d.signs {
		seen = seen && s.differences[sign] > 0
		s.differences[sign]++
	}
	s.different++
	if seen || s.shrunk >= s.options.shrink {
		return false
	}
	s.shrunk++
	return true
}

// add records a difference and writes it as YAML.
func (s *summary) add(d difference, mesh string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# seed %d, pair %d, mesh: %s\n", s.seed, d.candidate.number, mesh)
	for _, sign := range d.signs {
		fmt.Fprintf(&b, "# %s\n", sign)
	}
	for _, line := range strings.Split(strings.TrimSpace(d.text), "\n") {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	for _, doc := range d.candidate.documents {
		b.WriteString("---\n" + doc.YAML)
	}
	path := filepath.Join(s.out, fmt.Sprintf("%d-%d.yaml", s.seed, d.candidate.number))
	fmt.Fprintf(os.Stderr, "%s: %s\n", path, d.signs[0])
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// String is the summary as a Markdown table.
func (s *summary) String() string {
	var b strings.Builder
	row := func(what string, value any) { fmt.Fprintf(&b, "| %s | %v |\n", what, value) }
	b.WriteString("| translation against istiod | |\n|---|---|\n")
	row("seed", s.seed)
	row("pairs drawn", s.drawn)
	row("pairs compared", s.compared)
	row("pairs refused by validation", s.refused)
	row("pairs that would kill istiod, left out", s.crashes)
	row("objects validated by both", s.validated)
	row("known differences in what is refused", s.known)
	row("clients", len(clients()))
	row("mesh configurations", len(meshes()))
	row("clusters compared", s.clusters)
	row("virtual hosts compared", s.hosts)
	row("time", s.took.Round(100*time.Millisecond))
	row("pairs a minute", int(float64(s.drawn)/s.took.Minutes()))
	row("pairs with unexplained differences", s.different)
	for _, sign := range slices.Sorted(maps.Keys(s.differences)) {
		row("`"+sign+"`", s.differences[sign])
	}
	return b.String()
}
