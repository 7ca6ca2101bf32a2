package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// listed is the most names that a message spells out.
const listed = 16

// didYouMean is the second half of a message about an unknown name: the
// nearest allowed one, and all of them when they are few.
func didYouMean(got string, allowed []string) string {
	allowed = slices.Clone(allowed)
	slices.Sort(allowed)
	near := nearest(got, allowed)
	var b strings.Builder
	if near != "" {
		fmt.Fprintf(&b, "; did you mean %q?", near)
	}
	switch {
	case len(allowed) == 1 && near == "":
		fmt.Fprintf(&b, "; expected %s", allowed[0])
	case len(allowed) > 1 && len(allowed) <= listed:
		sep := ";"
		if near != "" {
			sep = ""
		}
		fmt.Fprintf(&b, "%s expected one of %s", sep, strings.Join(allowed, ", "))
	}
	return b.String()
}

// Nearest is the name that got was probably meant to be, or "".
func Nearest(got string, names []string) string { return nearest(got, names) }

// nearest is the name that got was probably meant to be, or "".
func nearest(got string, names []string) string {
	best, bestDist := "", len(got)
	for _, name := range names {
		if strings.EqualFold(got, name) {
			return name
		}
		far := max(len(got), len(name))/3 + 1 // typos, not other words
		if d := distance(strings.ToLower(got), strings.ToLower(name)); d <= min(far, 4) && d < bestDist {
			best, bestDist = name, d
		}
	}
	return best
}

// distance is the number of edits (insert, delete, replace, swap neighbours) between two words.
func distance(a, b string) int {
	if len(a) > 256 || len(b) > 256 {
		return 256
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
