package report

import (
	"encoding/json"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

// seenCauses is the drill that had the same causes before, by their JSON.
type seenCauses map[string]string

// add returns the name of an earlier drill with the same causes and fixes.
func (s seenCauses) add(cs []result.Cause, name string) (before string, ok bool) {
	b, err := json.Marshal(cs)
	if err != nil || len(cs) == 0 {
		return "", false
	}
	before, ok = s[string(b)]
	if !ok {
		s[string(b)] = name
	}
	return before, ok
}

// causesOnce explains what an earlier drill has not explained already.
func (p *page) causesOnce(cs []result.Cause, name string, seen seenCauses) {
	if before, ok := seen.add(cs, name); ok {
		p.row("why", say("as above, "+before))
		return
	}
	p.causes(cs)
}

// causes says why, and what to change.
func (p *page) causes(cs []result.Cause) {
	label := "why"
	for _, c := range cs {
		p.row(label, say(c.Message))
		if t := decidedBy(&c); t != nil {
			p.row("", t)
		}
		if c.Fix != nil {
			p.fix(&c)
		}
		label = "also"
	}
}

func decidedBy(c *result.Cause) text {
	var t text
	if c.Field != "" {
		t = t.add(c.Field)
		if c.Default != "" && c.Default != "none" {
			t = t.add(" (not set, default " + c.Default + ")")
		}
	}
	if at := place(c.File, c.Line); at != "" {
		if t != nil {
			t = t.add(", ")
		}
		t = t.add(at)
	}
	if c.Since != "" && !strings.Contains(c.Message, c.Since) {
		if t != nil {
			t = t.add(", ")
		}
		t = t.add("since " + c.Since)
	}
	for i := range t {
		t[i].p = faint
	}
	return t
}

// fix shows the change as a diff of the field.
func (p *page) fix(c *result.Cause) {
	label := "fix"
	for _, h := range hunks(c.Fix) {
		if h.parent != "" {
			p.row(label, in(faint, h.parent))
			label = ""
		}
		p.row(label, in(red, "- "+h.leaf+": "+fromWords(h, c)))
		p.row("", in(green, "+ "+h.leaf+": "+h.to))
		label = ""
	}
	if c.Fix.Confirmed {
		p.row("", in(faint, "confirmed by predicting again"+fewer(c)))
	} else {
		p.row("", in(yellow, "not confirmed by predicting again"))
	}
}

// fewer says what the change saves; nothing of a fix that is several changes,
// because the number is of this cause's own alone.
func fewer(c *result.Cause) string {
	if c.ErrorsAvoided == nil || *c.ErrorsAvoided <= 0 || len(c.Fix.All()) > 1 {
		return ""
	}
	return "; " + count(*c.ErrorsAvoided, "client error") + " fewer"
}

// hunk is the change of one field.
type hunk struct{ parent, leaf, from, to string }

// hunks takes a fix apart.
func hunks(f *result.Fix) []hunk {
	var out []hunk
	for _, e := range f.All() {
		h := hunk{leaf: e.Field, from: e.From, to: e.To}
		if k := strings.LastIndex(e.Field, "."); k >= 0 {
			h.parent, h.leaf = e.Field[:k], e.Field[k+1:]
		}
		out = append(out, h)
	}
	return out
}

func fromWords(h hunk, c *result.Cause) string {
	switch {
	case h.from != "":
		return h.from
	case c.Default != "" && c.Default != "none" && strings.HasSuffix(c.Field, h.leaf):
		return "(not set, default " + c.Default + ")"
	}
	return "(not set)"
}

// fixWords is the fix in a headline.
func fixWords(f *result.Fix) string {
	var out []string
	for _, h := range hunks(f) {
		if h.from == "" {
			out = append(out, "+ "+h.leaf+": "+h.to)
		} else {
			out = append(out, h.leaf+": "+h.from+" -> "+h.to)
		}
	}
	return strings.Join(out, " and ")
}
