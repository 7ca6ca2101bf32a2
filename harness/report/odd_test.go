package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/width"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// oddities are names and messages that nobody should choose.
var oddities = []string{
	"", " ", "\x00", "\x1b[31mred\x1b[0m", "a\nb\tc\rd", "\xff\xfe", "]]>", "<b>&amp;\"'", "\u202eevil", "e\u0301\u0301", "日本語の名前日本語の名前日本語の名前",
	strings.Repeat("x", 300), strings.Repeat("word ", 80), strings.Repeat("漢", 200), "\ufffe\uffff", "| a | b |", "```", "x and y", "a.b.c: d; e", "\u2028", "👩‍👩‍👧",
	strings.Repeat("\u0301", 200), "%s %d", "-", "\U0010ffff",
}

// spoil puts odd text into every string of a value, keys of maps included.
func spoil(v reflect.Value, odd string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem(), odd)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i), odd)
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i), odd)
		}
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			nk := reflect.New(k.Type()).Elem()
			nk.SetString(k.String() + odd)
			m.SetMapIndex(nk, v.MapIndex(k))
		}
		v.Set(m)
	case reflect.String:
		v.SetString(odd)
	}
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

// checkText fails on lines that are too wide, and on characters that a terminal acts on.
func checkText(t *testing.T, what, s string, limit int) {
	t.Helper()
	for n, l := range strings.Split(ansi.ReplaceAllString(s, ""), "\n") {
		w := 0
		for _, r := range l {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Fatalf("%s: line %d holds %U", what, n+1, r)
			}
			switch k := width.LookupRune(r).Kind(); {
			case unicode.In(r, unicode.Mn, unicode.Me):
			case k == width.EastAsianWide || k == width.EastAsianFullwidth:
				w += 2
			default:
				w++
			}
		}
		if w > limit {
			t.Fatalf("%s: line %d has %d columns, more than %d: %.150q", what, n+1, w, limit, l)
		}
		if strings.HasSuffix(l, " ") && limit < 1000 {
			t.Fatalf("%s: line %d ends with a space: %.150q", what, n+1, l)
		}
	}
}

func checkXML(t *testing.T, what string, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// checkOdd runs every report over results that are full of one odd text.
func checkOdd(t *testing.T, odd string) {
	t.Helper()
	plans := append(plainYAML(), gallery()...)
	plans[0].Expectations = []result.Expectation{exp("a", result.Fail, "b", "c", "d")}
	plans[1].NotModelled = []result.NotModelled{{File: "f", Line: 3, Field: "g", Why: "h", Decides: true}}
	plans[2].Problems = []string{"x"}
	runs := append(suite(), scaled(diverging(), 10))
	traces := []*trace.Trace{played("model", true, 130, 1), withFaults()}
	spoil(reflect.ValueOf(&plans), odd)
	spoil(reflect.ValueOf(&runs), odd)
	for _, tr := range traces {
		kinds := make([]string, len(tr.Steps))
		for i := range tr.Steps {
			kinds[i] = tr.Steps[i].Kind
		}
		spoil(reflect.ValueOf(tr), odd)
		for i := range tr.Steps[1:] {
			tr.Steps[i].Kind = kinds[i] // the last one stays odd
		}
	}
	for _, s := range []report.Style{{Width: 40, Verbose: true}, {Width: 100, Color: true, ASCII: true}} {
		what := fmt.Sprintf("%.20q at width %d", odd, s.Width)
		var b bytes.Buffer
		if err := report.Plan(&b, s, plans); err != nil {
			t.Fatal(err)
		}
		if err := report.Runs(&b, s, runs, func(i int) (*trace.Trace, *trace.Trace) {
			if i%4 != 0 {
				return nil, nil
			}
			return traces[0], traces[1]
		}); err != nil {
			t.Fatal(err)
		}
		if err := report.Diagnostics(&b, s, []report.Diagnostic{{odd, 1, 2, odd, odd, odd, odd}}); err != nil {
			t.Fatal(err)
		}
		checkText(t, what, b.String(), s.Width)
	}
	var x, md bytes.Buffer
	if err := report.JUnit(&x, runs, startedAt); err != nil {
		t.Fatal(err)
	}
	checkXML(t, fmt.Sprintf("%.20q", odd), x.Bytes())
	if err := report.Markdown(&md, runs); err != nil {
		t.Fatal(err)
	}
	checkText(t, fmt.Sprintf("%.20q in Markdown", odd), md.String(), 1<<20)
}

// FuzzOddText finds text that makes a line too wide, reaches the terminal raw, or
// breaks the XML. Without -fuzz it runs over the oddities.
func FuzzOddText(f *testing.F) {
	for _, o := range oddities {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, odd string) {
		if len(odd) < 2000 {
			checkOdd(t, odd)
		}
	})
}

// TestOddTraces draws traces that hold little or nothing.
func TestOddTraces(t *testing.T) {
	empty := &trace.Trace{}
	noRequests := played("model", true, 130, 1)
	noRequests.Requests = nil
	short := played("model", true, 1, 1)
	many := played("model", true, 130, 1)
	for i := range 50 {
		many.Run.Upstreams = append(many.Run.Upstreams, fmt.Sprintf("upstream-%d", i))
	}
	tiny := played("model", true, 130, 1e6)
	for name, pair := range map[string][2]*trace.Trace{
		"nothing": {}, "empty": {empty, empty}, "no requests": {noRequests, nil}, "observed only": {nil, short}, "many": {many, many}, "tiny": {tiny, tiny},
	} {
		var b bytes.Buffer
		tl := report.NewTimeline(pair[0], pair[1])
		if err := tl.Write(&b, report.Style{}); err != nil {
			t.Fatal(err)
		}
		checkText(t, name, b.String(), 100)
		if testing.Verbose() {
			t.Log("\n" + b.String())
		}
	}
}

func TestASCII(t *testing.T) {
	var b bytes.Buffer
	s := report.Style{ASCII: true, Verbose: true}
	if err := report.Plan(&b, s, plainYAML()); err != nil {
		t.Fatal(err)
	}
	if err := report.Runs(&b, s, suite(), suiteTraces); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if r > 126 {
			t.Fatalf("%U in ASCII output", r)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrors(t *testing.T) {
	tl := report.NewTimeline(played("model", true, 130, 1), nil)
	for name, err := range map[string]error{
		"plan":        report.Plan(brokenWriter{}, report.Style{}, plainYAML()),
		"runs":        report.Runs(brokenWriter{}, report.Style{}, suite(), nil),
		"timeline":    tl.Write(brokenWriter{}, report.Style{}),
		"junit":       report.JUnit(brokenWriter{}, suite(), startedAt),
		"markdown":    report.Markdown(brokenWriter{}, suite()),
		"conformance": report.Conformance(brokenWriter{}, suite()),
		"diagnostics": report.Diagnostics(brokenWriter{}, report.Style{}, nil),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v, want %v", name, err, io.ErrClosedPipe)
		}
	}
}
