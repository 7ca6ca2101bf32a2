package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
)

// Topic is one thing that can be explained.
type Topic struct {
	Name  string
	Group string
	Text  string
	Facts []Fact
}

// Fact is a labelled line of a topic.
type Fact struct{ Label, Text string }

// The groups of topics, in the order in which they are listed.
const (
	GroupCause   = "cause"
	GroupFault   = "fault"
	GroupOutcome = "outcome"
	GroupVerdict = "verdict"
	GroupFlag    = "response flag"
	GroupField   = "field"
)

// Groups lists the groups in order.
func Groups() []string {
	return []string{GroupCause, GroupFault, GroupOutcome, GroupVerdict, GroupFlag, GroupField}
}

// LabelCause is the label by which a scenario says which cause it teaches.
const LabelCause = "cause"

// Topics are everything that can be explained, by group; the scenarios are those
// that teach it.
func Topics(scenarios []*scenario.Input) []Topic {
	var out []Topic
	add := func(group, name, text string, facts ...Fact) {
		facts = slices.DeleteFunc(facts, func(f Fact) bool { return f.Text == "" })
		out = append(out, Topic{name, group, text, facts})
	}
	for _, c := range causes {
		add(GroupCause, c.code, c.why, Fact{"since", c.since}, Fact{"decided by", fieldName(c.field)}, Fact{"helps", c.fix},
			taughtBy(scenarios, func(in *scenario.Input) bool { return in.Scenario.Metadata.Labels[LabelCause] == c.code }))
	}
	for _, b := range scenario.Behaviours() {
		add(GroupFault, b.Name, b.Text, taughtBy(scenarios, func(in *scenario.Input) bool {
			return slices.ContainsFunc(in.Scenario.Spec.Timeline, func(s scenario.Step) bool { return s.Fault != nil && s.Fault.Behaviour() == b.Name })
		}))
	}
	for _, o := range result.Outcomes() {
		add(GroupOutcome, string(o), o.Means(), Fact{"a drill", passes(o)}, taughtBy(scenarios, func(in *scenario.Input) bool {
			return slices.ContainsFunc(in.Scenario.Spec.Expect, func(e scenario.Expectation) bool { return e.Outcome == string(o) })
		}))
	}
	for _, v := range result.Verdicts() {
		add(GroupVerdict, string(v), v.Means())
	}
	for _, f := range trace.FlagLetters() {
		add(GroupFlag, f, trace.Means(f), taughtBy(scenarios, func(in *scenario.Input) bool {
			return slices.ContainsFunc(in.Scenario.Spec.Expect, func(e scenario.Expectation) bool { _, ok := e.Flags[f]; return ok })
		}))
	}
	for _, f := range istio.Fields() {
		name := fieldName(f.Name)
		leaf := name[strings.LastIndex(name, ".")+1:]
		text := fieldTexts[f.Name]
		if f.Why != "" {
			text = fieldText{decides: "not modelled: " + f.Why}
		}
		add(GroupField, name, text.decides, Fact{"default", text.def}, Fact{"since", text.since}, Fact{"causes", strings.Join(causesAbout(f.Name), ", ")},
			aboutField(scenarios, leaf))
	}
	return out
}

func passes(o result.Outcome) string {
	if o.Passes() {
		return "passes on it unless it expects something else"
	}
	return "fails on it unless it expects it"
}

// causesAbout are the codes of the causes that the field decides.
func causesAbout(field string) []string {
	var out []string
	for _, c := range causes {
		if c.field == field {
			out = append(out, c.code)
		}
	}
	return out
}

// fieldName writes OutlierDetection.max_ejection_percent as files have it.
func fieldName(proto string) string {
	at := strings.LastIndex(proto, ".") + 1
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(proto[:at], "istio.type.v1beta1."))
	up := false
	for _, r := range proto[at:] {
		switch {
		case r == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(r)))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// taughtBy names the scenarios that teach a topic.
func taughtBy(scenarios []*scenario.Input, teaches func(*scenario.Input) bool) Fact {
	var names []string
	for _, in := range scenarios {
		if in.Scenario != nil && teaches(in) {
			names = append(names, in.Scenario.Metadata.Name)
		}
	}
	return Fact{"scenarios", strings.Join(names, ", ")}
}

// few is how many scenarios a field's topic may name for setting it; of a field
// that more of them set, those count that are about it.
const few = 5

// aboutField names the scenarios that teach a field: those that set it when
// few do, else those whose description names it.
func aboutField(scenarios []*scenario.Input, leaf string) Fact {
	setting := taughtBy(scenarios, func(in *scenario.Input) bool { return sets(in, leaf) })
	if strings.Count(setting.Text, ",") < few {
		return setting
	}
	return taughtBy(scenarios, func(in *scenario.Input) bool { return names(in.Scenario.Metadata.Description, leaf) })
}

// sets reports whether the scenario's configuration writes a field of that name.
func sets(in *scenario.Input, leaf string) bool {
	for _, r := range in.Resources {
		for path := range r.Fields {
			if path[strings.LastIndex(path, ".")+1:] == leaf {
				return true
			}
		}
	}
	return false
}

// names reports whether the text has the word.
func names(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}), word)
}

// Find returns the topics that a word asks for: those of that name, else the
// fields whose path ends in it. Without any it returns the nearest name, or "".
func Find(topics []Topic, word string) (found []Topic, nearest string) {
	ask := strings.ToLower(strings.TrimPrefix(word, "spec."))
	var names []string
	for _, t := range topics {
		name := strings.ToLower(t.Name)
		leaf := name[strings.LastIndex(name, ".")+1:]
		asked := ask[strings.LastIndex(ask, ".")+1:]
		switch {
		case name == ask:
			found = append(found, t)
		case t.Group == GroupField && (leaf == ask || strings.Contains(ask, ".") && leaf == asked && parentFits(name, ask)):
			found = append(found, t)
		}
		names = append(names, t.Name, t.Name[strings.LastIndex(t.Name, ".")+1:])
	}
	if len(found) > 0 {
		slices.SortStableFunc(found, func(a, b Topic) int {
			return cmp.Compare(slices.Index(Groups(), a.Group), slices.Index(Groups(), b.Group))
		})
		return found, ""
	}
	return nil, scenario.Nearest(word, names)
}

// parentFits reports whether the field's message is named by the path that was
// asked for: outlierDetection.interval is OutlierDetection.interval.
func parentFits(name, ask string) bool {
	n, a := strings.Split(name, "."), strings.Split(ask, ".")
	return n[len(n)-2] == a[len(a)-2]
}
