package main

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestWithout(t *testing.T) {
	const process = `{"capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"]}, "oomScoreAdj": -999, "rlimits": [{}], "cwd": "/"}`
	want := map[string]any{"capabilities": map[string]any{"bounding": []any{"CAP_KILL"}}, "cwd": "/"}
	for _, c := range []struct {
		text string
		of   func(map[string]any) any
	}{
		{process, func(m map[string]any) any { return m }},
		{`{"process": ` + process + `}`, func(m map[string]any) any { return m["process"] }},
	} {
		b, err := without([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.of(got), any(want)) {
			t.Errorf("got %s", b)
		}
	}
	if _, err := without([]byte("{")); err == nil {
		t.Error("it was read")
	}
}

func TestSpecification(t *testing.T) {
	for want, args := range map[string][]string{
		"/b/config.json": {"--root", "/r", "create", "--bundle", "/b", "id"}, "/c/config.json": {"run", "-b=/c", "id"},
		"config.json": {"create", "id"}, "/p": {"exec", "--process", "/p", "id"}, "": {"kill", "id"},
	} {
		if got := specification(args); got != want {
			t.Errorf("%v: got %q, want %q", args, got, want)
		}
	}
}
