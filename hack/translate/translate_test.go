package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/needs"
)

// The same number draws the same pair, another one another; the texts can be read.
func TestDraw(t *testing.T) {
	if !reflect.DeepEqual(draw(1, 5), draw(1, 5)) || reflect.DeepEqual(draw(1, 5), draw(1, 6)) || reflect.DeepEqual(draw(1, 5), draw(2, 5)) {
		t.Error("seed and number do not decide alone")
	}
	var list []*candidate
	for i := range 200 {
		list = append(list, newCandidate(draw(1, i), "h"+string(rune('0'+i%10))))
	}
	for _, c := range list {
		if err := readAll([]*candidate{c}); err != nil {
			t.Fatalf("pair %d: %v", c.number, err)
		}
		if len(c.resources) != len(c.objects) {
			t.Fatalf("pair %d: read %d objects of %d", c.number, len(c.resources), len(c.objects))
		}
		for _, d := range c.documents {
			if strings.Contains(d.YAML, "MARK") {
				t.Fatalf("pair %d: a mark is left: %s", c.number, d.YAML)
			}
		}
	}
}

// A cut has one thing less, and leaves the original alone.
func TestCutTrees(t *testing.T) {
	tree := map[string]any{"a": []any{1, map[string]any{"b": 2}}, "c": 3}
	var got []any
	got = append(got, cutTrees(tree)...)
	want := []any{
		map[string]any{"c": 3},
		map[string]any{"a": []any{1, map[string]any{"b": 2}}},
		map[string]any{"a": []any{map[string]any{"b": 2}}, "c": 3},
		map[string]any{"a": []any{1}, "c": 3},
		map[string]any{"a": []any{1, map[string]any{}}, "c": 3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(tree) != 2 || len(tree["a"].([]any)) != 2 {
		t.Errorf("the tree was changed: %v", tree)
	}
}

// An unread field has to be known, and listed as not modelled where that is the reason.
func TestExplain(t *testing.T) {
	hash := &sides{notModelled: []istio.NotModelled{{Field: "spec.trafficPolicy.loadBalancer.consistentHash"}}}
	for _, c := range []struct {
		p     *sides
		field string
		fine  bool
	}{
		{&sides{}, "cluster.metadata", true},
		{&sides{}, "cluster.surprise", false},
		{&sides{}, "cluster.ring_hash_lb_config", false},
		{hash, "cluster.ring_hash_lb_config", true},
	} {
		if why := c.p.explain(c.field); (why == "") != c.fine {
			t.Errorf("%s: got %q", c.field, why)
		}
	}
}

// A few pairs against the real thing; the many are drawn by the command.
func TestIstiod(t *testing.T) {
	different, err := run(t.Context(), options{istiod: needs.Istiod(t).Path, istioctl: needs.Istioctl(t).Path, out: t.TempDir(), pairs: 100, batch: 50, seed: 1, shrink: 3})
	if err != nil || different {
		t.Errorf("different: %v, %v", different, err)
	}
}
