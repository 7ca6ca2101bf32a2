package mockupstreams

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFault(t *testing.T) {
	got, err := ParseFault([]byte(` {"name": "far", "delay": "1.5s", "jitter": "500ms", "percentage": 0.5, "first": 1, "every": 2,
		"untilSuccesses": 3, "for": "1m", "path": "/api", "headers": {"x-canary": "yes"}, "port": 80} `))
	want := Fault{Name: "far", Delay: 15e8, Jitter: 5e8, Match: Match{Percentage: new(0.5), First: 1, Every: 2,
		UntilSuccesses: 3, For: 6e10, Path: "/api", Headers: map[string]string{"x-canary": "yes"}, Port: 80}}
	if err != nil || !cmp.Equal(got, want) {
		t.Fatalf("error %v, got against want:\n%s", err, cmp.Diff(want, got))
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseFault(data); err != nil || !cmp.Equal(again, want) {
		t.Errorf("written and read again: error %v\n%s", err, cmp.Diff(want, again))
	}
}

// Each mistake is answered with what was found and what was expected.
func TestParseFaultMistakes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{``, `found no JSON object`},
		{`[]`, `found no JSON object`},
		{`{"name": "a", "status": 503`, `reading JSON`},
		{`{"name": "a", "status": }`, `reading JSON: key "status"`},
		{`{"name": "a", "status": 503} {}`, `found more after the JSON object`},
		{`{"name": "a", "resett": true}`, `unknown key "resett"; did you mean "reset"? allowed: name, blackhole, closeAfter, delay`},
		{`{"name": "a", "STATUS": 503}`, `unknown key "STATUS"; did you mean "status"?`},
		{`{"name": "a", "` + strings.Repeat("x", 9999) + `": 1}`, `unknown key`},
		{`{"name": "a", "status": 503, "status": 500}`, `key "status" comes twice`},
		{`{"name": "a", "status": "503"}`, `status: found "503", expected a whole number`},
		{`{"name": "a", "status": 503.5}`, `status: found 503.5, expected a whole number`},
		{`{"name": "a", "refuse": "yes"}`, `refuse: found "yes", expected true or false`},
		{`{"name": "a", "status": 503, "percentage": "50%"}`, `percentage: found "50%", expected a number`},
		{`{"name": "a", "status": 503, "headers": "x"}`, `headers: found "x", expected strings by name`},
		{`{"name": 1, "status": 503}`, `name: found 1, expected a string`},
		{`{"name": "a", "delay": 200}`, `delay: found 200, expected a duration in quotes`},
		{`{"name": "a", "delay": "200"}`, `delay: found "200", expected a duration such as`},
		{`{"status": 503}`, `name: found "", expected 1 to 63`},
		{`{"name": "a/b", "status": 503}`, `name: found "a/b"`},
		{`{"name": "` + strings.Repeat("a", 64) + `", "status": 503}`, `expected 1 to 63`},
		{`{"name": "a"}`, `found no behaviour, expected one of blackhole, closeAfter, delay, hang, pause, refuse, reset, slowBody, status`},
		{`{"name": "a", "refuse": false}`, `found no behaviour`},
		{`{"name": "a", "status": 503, "delay": "1s"}`, `found 2 behaviours (delay, status), expected exactly one`},
		{`{"name": "a", "status": 99}`, `status: found 99, expected 200 to 599`},
		{`{"name": "a", "status": 101}`, `status: found 101`},
		{`{"name": "a", "status": 600}`, `status: found 600`},
		{`{"name": "a", "delay": "-1s"}`, `delay: found -1s, expected a positive`},
		{`{"name": "a", "delay": "1s", "jitter": "2s"}`, `jitter: found 2s, expected 0s to the delay of 1s`},
		{`{"name": "a", "status": 503, "jitter": "2s"}`, `found jitter beside status`},
		{`{"name": "a", "slowBody": "-1s"}`, `slowBody: found -1s`},
		{`{"name": "a", "hang": "forever"}`, `hang: found "forever", expected "headers" or "body"`},
		{`{"name": "a", "closeAfter": -1}`, `closeAfter: found -1, expected 1 or more`},
		{`{"name": "a", "refuse": true, "path": "/", "percentage": 50}`, `found path, percentage, but refuse works on connections, not on requests; allowed beside it: port, for`},
		{`{"name": "a", "refuse": true, "first": 1, "every": 2, "untilSuccesses": 1, "headers": {"a": "b"}}`, `found untilSuccesses, headers, first, every`},
		{`{"name": "a", "status": 503, "percentage": 101}`, `percentage: found 101, expected 0 to 100`},
		{`{"name": "a", "status": 503, "percentage": -1}`, `percentage: found -1`},
		{`{"name": "a", "status": 503, "first": -1, "every": -2}`, `every: found -2, expected 1 or more`},
		{`{"name": "a", "status": 503, "untilSuccesses": -1}`, `untilSuccesses: found -1`},
		{`{"name": "a", "status": 503, "untilSuccesses": 3}`, `found untilSuccesses beside status on every request`},
		{`{"name": "a", "reset": true, "path": "/", "untilSuccesses": 3}`, `found untilSuccesses beside reset`},
		{`{"name": "a", "status": 503, "for": "-1s"}`, `for: found -1s`},
		{`{"name": "a", "status": 503, "path": "api"}`, `path: found "api", expected a path that starts with /`},
		{`{"name": "a", "status": 503, "headers": {"x y": "1"}}`, `headers: found "x y", expected the name of a header`},
		{`{"name": "a", "status": 503, "port": 65536}`, `port: found 65536, expected 1 to 65535`},
	} {
		_, err := ParseFault([]byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.80s\n got %.200v\nwant %s", test.text, err, test.want)
		}
	}
}

func TestUntilSuccessesThatCanSucceed(t *testing.T) {
	for _, text := range []string{
		`{"name": "a", "status": 503, "untilSuccesses": 3, "every": 2}`,
		`{"name": "a", "status": 503, "untilSuccesses": 3, "percentage": 50}`,
		`{"name": "a", "status": 404, "untilSuccesses": 3}`,
		`{"name": "a", "delay": "1s", "untilSuccesses": 3}`,
	} {
		if _, err := ParseFault([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The tables from which references are made agree with the struct and run.
func TestTables(t *testing.T) {
	var tags []string
	for _, field := range slices.Concat(reflect.VisibleFields(reflect.TypeFor[Fault]())) {
		if tag := field.Tag.Get("json"); tag != "" {
			name, _, _ := strings.Cut(tag, ",")
			tags = append(tags, name)
		}
	}
	keys := FaultKeys()
	slices.Sort(tags)
	slices.Sort(keys)
	if !slices.Equal(tags, keys) {
		t.Errorf("FaultKeys: got %v, want those of the struct: %v", keys, tags)
	}
	if !slices.IsSorted(behaviourNames()) {
		t.Errorf("Behaviours: got %v, want them by name", behaviourNames())
	}
	for _, b := range Behaviours {
		f, err := ParseFault([]byte(b.Example))
		if b.Name != "blackhole" || losesSYNs {
			if err != nil {
				t.Errorf("the example of %s: %v", b.Name, err)
			} else if found, _ := f.behaviour(); found.Name != b.Name {
				t.Errorf("the example of %s is one of %s", b.Name, found.Name)
			}
		}
		if b.Doc == "" || b.Value == "" || strings.Contains(b.Doc, "\n") {
			t.Errorf("%s: want one line of documentation and what its value is", b.Name)
		}
	}
	for _, key := range MatchKeys {
		f, err := ParseFault([]byte(`{"name": "a", "closeAfter": 1, "` + key.Name + `": ` + key.Example + `}`))
		if err != nil || !key.set(f.Match) {
			t.Errorf("the example of %s: %v, set %v", key.Name, err, key.set(f.Match))
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, b := range Behaviours {
		f.Add([]byte(b.Example))
	}
	f.Add([]byte(`{"name": "a", "status": 503, "headers": {"a": "b"}, "percentage": 1e300, "for": "1h"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		fault, err := ParseFault(data)
		if err != nil {
			return
		}
		one, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseFault(one)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, one)
		}
		if two, _ := json.Marshal(again); !bytes.Equal(one, two) {
			t.Fatalf("got %s, want %s", two, one)
		}
	})
}
