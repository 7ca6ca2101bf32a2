package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

// Markdown writes a short summary of runs, as for the step summary of a CI
// system: the counts, a table of scenarios and backends, and for each run that
// did not pass the reason, the fix and the command that plays it again.
func Markdown(w io.Writer, runs []result.Run) error {
	var b strings.Builder
	b.WriteString("### faildrill\n\n" + runSummary(runs).String() + "\n\n")
	seen := seenCauses{}
	m := matrixOf(runs)
	if len(runs) > 0 {
		b.WriteString(m.markdown())
	}
	for i := range runs {
		r := &runs[i]
		if r.Verdict != result.Pass && r.Verdict != result.Skip {
			b.WriteString(markdownRun(r, seen))
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

var markdownSigns = map[result.Verdict]string{
	result.Pass: "✅", result.Fail: "❌", result.Error: "❗", result.Inconclusive: "❔", result.Skip: "➖",
}

func (m *matrix) markdown() string {
	var b strings.Builder
	b.WriteString("| scenario |")
	for _, k := range m.backends {
		b.WriteString(" " + inMarkdown(k) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(m.backends)) + "\n")
	for _, s := range m.scenarios {
		b.WriteString("| " + inMarkdown(s) + " |")
		for _, k := range m.backends {
			var cells []string
			for _, r := range m.runs[[2]string{s, k}] {
				cells = append(cells, strings.TrimSpace(markdownSigns[r.Verdict]+" "+inMarkdown(string(r.Verdict))))
			}
			b.WriteString(" " + strings.Join(cells, ", ") + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func markdownRun(r *result.Run, seen seenCauses) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n#### %s %s on %s\n\n", markdownSigns[r.Verdict], inMarkdown(r.Scenario), inMarkdown(r.Backend))
	item := func(s string) { b.WriteString("- " + inMarkdown(s) + "\n") }
	if s := strings.TrimLeft(verdictWords(r), "; "); s != "" {
		item(s)
	}
	if r.Setting != "" {
		item("played " + r.Setting)
	}
	for _, e := range r.Expectations {
		if e.Verdict != result.Pass {
			item(fmt.Sprintf("%s: %s: expected %s; observed %s", e.Verdict, firstOf(e.Name, "expectation"), e.Expected, e.Observed))
		}
	}
	if r.Divergence != nil {
		item(divergenceWords(r))
	}
	if before, ok := seen.add(r.Causes, r.Scenario+" on "+r.Backend); ok {
		item("why, and the fix: as above, " + before)
	} else {
		b.WriteString(markdownCauses(r.Causes))
	}
	if r.Replay != "" {
		b.WriteString(fence("sh", r.Replay))
	}
	return b.String()
}

func markdownCauses(cs []result.Cause) string {
	var b strings.Builder
	for i := range cs {
		c := &cs[i]
		b.WriteString("- " + inMarkdown(c.Message))
		if by := decidedBy(c).String(); by != "" {
			b.WriteString(" (" + inMarkdown(by) + ")")
		}
		b.WriteString("\n")
		if c.Fix != nil {
			b.WriteString(fence("diff", diffLines(c)))
		}
	}
	return b.String()
}

func diffLines(c *result.Cause) string {
	var out []string
	for _, h := range hunks(c.Fix) {
		if h.parent != "" {
			out = append(out, "  "+h.parent)
		}
		out = append(out, "- "+h.leaf+": "+fromWords(h, c), "+ "+h.leaf+": "+h.to)
	}
	return strings.Join(out, "\n")
}

// fence is a code block that the code cannot end.
func fence(language, code string) string {
	ticks := "```"
	for strings.Contains(code, ticks) {
		ticks += "`"
	}
	return "\n" + ticks + language + "\n" + lines(code) + "\n" + ticks + "\n"
}

// lines makes each line harmless and keeps the line breaks.
func lines(s string) string {
	ls := strings.Split(s, "\n")
	for i := range ls {
		ls[i] = say(ls[i]).String()
	}
	return strings.Join(ls, "\n")
}

// inMarkdown is text that means nothing to Markdown, on one line.
func inMarkdown(s string) string {
	var b strings.Builder
	for _, r := range say(s).String() {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '\\', '`', '*', '_', '[', ']', '|', '~', '#', '@', '!':
			b.WriteString("\\" + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
