package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// difference is one pair on which the two disagree.
type difference struct {
	candidate  *candidate
	signs      []string // the kinds of disagreement, sorted
	text       string
	validation bool // about what is refused
}

// shrunk cuts the pair for as long as one of the signs stays. All cuts of a
// round are tried in one push.
func (b *batch) shrunk(ctx context.Context, d difference) (difference, error) {
	sign := d.signs[0]
	for round := 1; ; round++ {
		smaller, err := b.smaller(ctx, d, sign, round)
		if err != nil || smaller == nil {
			return d, err
		}
		d = *smaller
	}
}

// smaller returns the first cut that keeps the sign, or nil.
func (b *batch) smaller(ctx context.Context, d difference, sign string, round int) (*difference, error) {
	var list []*candidate
	for i, p := range cuts(d.candidate.pair) {
		list = append(list, newCandidate(p, fmt.Sprintf("h%dx%d", p.number, round*1000+i)))
	}
	if len(list) == 0 {
		return nil, nil
	}
	var readable []*candidate
	for _, c := range list {
		if readAll([]*candidate{c}) == nil && len(c.resources) > 0 {
			readable = append(readable, c)
		}
	}
	var found []difference
	var err error
	if d.validation {
		found, err = b.validate(ctx, readable)
	} else {
		valid := b.valid(readable)
		if b.istioctl != "" {
			theirs, err := b.validation(ctx, valid)
			if err != nil {
				return nil, err
			}
			valid = slices.DeleteFunc(valid, func(c *candidate) bool {
				return slices.ContainsFunc(c.resources, func(r *resource) bool { return theirs[r.ID()] != "" })
			})
		}
		if len(valid) == 0 {
			return nil, nil
		}
		if err := b.push(ctx, valid); err != nil {
			return nil, err
		}
		found, err = b.compare(ctx, valid)
	}
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if slices.Contains(f.signs, sign) {
			return &f, nil
		}
	}
	return nil, nil
}

// cuts are the pair with one thing less each, large things first.
func cuts(p pair) []pair {
	var out []pair
	for i := range p.objects {
		if len(p.objects) > 1 {
			out = append(out, pair{p.number, slices.Delete(slices.Clone(p.objects), i, i+1)})
		}
	}
	for i, o := range p.objects {
		replace := func(n object) {
			objects := slices.Clone(p.objects)
			objects[i] = n
			out = append(out, pair{p.number, objects})
		}
		for _, t := range cutTrees(o.spec) {
			n := o
			n.spec = t.(map[string]any)
			replace(n)
		}
		for _, t := range cutTrees(map[string]any(o.metadata)) {
			n := o
			n.metadata = t.(map[string]any)
			replace(n)
		}
		if o.namespace != "default" {
			n := o
			n.namespace = "default"
			replace(n)
		}
	}
	return out
}

// cutTrees are the tree with one key or element less each.
func cutTrees(tree any) []any {
	var out []any
	switch t := tree.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(t))
		for _, k := range keys {
			n := maps.Clone(t)
			delete(n, k)
			out = append(out, n)
		}
		for _, k := range keys {
			for _, sub := range cutTrees(t[k]) {
				n := maps.Clone(t)
				n[k] = sub
				out = append(out, n)
			}
		}
	case []any:
		for i := range t {
			out = append(out, slices.Delete(slices.Clone(t), i, i+1))
		}
		for i := range t {
			for _, sub := range cutTrees(t[i]) {
				n := slices.Clone(t)
				n[i] = sub
				out = append(out, n)
			}
		}
	}
	return out
}
