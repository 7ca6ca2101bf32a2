package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/xds"
)

const fetchTimeout = 30 * time.Second

// sides are what both have for one pair and one client.
type sides struct {
	got, want   xds.Config
	unread      map[string]bool
	notModelled []istio.NotModelled
}

var idOf = regexp.MustCompile(`(?:^|[.|*])(h[0-9]+(?:x[0-9]+)?)\.example`)

// split deals both sides out to the pairs.
func split(s *istiod.Snapshot, want *istio.Translation) map[string]*sides {
	out := map[string]*sides{}
	of := func(text string) *sides {
		id := ""
		if m := idOf.FindStringSubmatch(text); m != nil {
			id = m[1]
		}
		if out[id] == nil {
			out[id] = &sides{unread: map[string]bool{}}
		}
		return out[id]
	}
	note := func(p *sides, unread []string) {
		for _, u := range unread {
			p.unread[u] = true
		}
	}
	for name, c := range s.Clusters {
		if !strings.HasPrefix(name, "outbound|") || strings.HasSuffix(name, ".marker") {
			continue
		}
		p := of(name)
		read, unread := istiod.FromCluster(c, s.Endpoints[name])
		p.got.Clusters = append(p.got.Clusters, read)
		note(p, unread)
	}
	for name, rc := range s.Routes {
		for _, v := range rc.VirtualHosts {
			if !istiod.ByPort(name) || istiod.UnknownHosts(v) {
				continue
			}
			p := of(v.Name)
			h, unread := istiod.FromVirtualHost(name, v)
			p.got.VirtualHosts = append(p.got.VirtualHosts, h)
			note(p, unread)
		}
	}
	for _, c := range want.Config.Clusters {
		p := of(c.Name)
		p.want.Clusters = append(p.want.Clusters, c)
	}
	for _, h := range want.Config.VirtualHosts {
		p := of(h.Name)
		p.want.VirtualHosts = append(p.want.VirtualHosts, h)
	}
	for _, n := range want.NotModelled {
		_, name, _ := strings.Cut(n.Resource, "/")
		id, _, _ := strings.Cut(name, "-")
		if p := out[id]; p != nil {
			p.notModelled = append(p.notModelled, n)
		}
	}
	return out
}

// reporter collects the paths at which two values differ, without indexes.
type reporter struct {
	path  gocmp.Path
	signs []string
}

func (r *reporter) PushStep(s gocmp.PathStep) { r.path = append(r.path, s) }
func (r *reporter) PopStep()                  { r.path = r.path[:len(r.path)-1] }
func (r *reporter) Report(res gocmp.Result) {
	if res.Equal() {
		return
	}
	var names []string
	for _, s := range r.path {
		switch s := s.(type) {
		case gocmp.StructField:
			names = append(names, s.Name())
		case gocmp.MapIndex:
			x, y := s.Values()
			if !x.IsValid() {
				names = append(names, "(istiod alone)")
			} else if !y.IsValid() {
				names = append(names, "(harness/istio alone)")
			}
		case gocmp.SliceIndex:
			if x, y := s.SplitKeys(); x < 0 {
				names = append(names, "(istiod alone)")
			} else if y < 0 {
				names = append(names, "(harness/istio alone)")
			}
		}
	}
	r.signs = append(r.signs, strings.Join(names, "."))
}

// named is a configuration in which nothing has a place, only a name.
type named struct {
	Clusters     map[string]xds.Cluster
	VirtualHosts map[string]xds.VirtualHost
}

func byName(c xds.Config) named {
	n := named{map[string]xds.Cluster{}, map[string]xds.VirtualHost{}}
	for _, cl := range c.Clusters {
		n.Clusters[cl.Name] = cl
	}
	for _, h := range c.VirtualHosts {
		n.VirtualHosts[fmt.Sprintf("%d %s", h.Port, h.Name)] = h
	}
	return n
}

// compare returns the kinds of differences, and all of them as text.
func (p *sides) compare() (signs []string, text string) {
	p.forgive()
	r := &reporter{}
	opts := cmpopts.EquateEmpty()
	want, got := byName(p.want), byName(p.got)
	if !gocmp.Equal(want, got, opts, gocmp.Reporter(r)) {
		signs, text = r.signs, gocmp.Diff(want, got, opts)
	}
	for u := range p.unread {
		if why := p.explain(u); why != "" {
			signs = append(signs, "unread "+u)
			text += fmt.Sprintf("unread %s: %s\n", u, why)
		}
	}
	return signs, text
}

// notModelledField reports whether the translation lists a field that ends so, and says that it may decide.
func (p *sides) notModelledField(suffix string, decides bool) bool {
	return slices.ContainsFunc(p.notModelled, func(n istio.NotModelled) bool {
		return strings.Contains(n.Field, suffix) && (n.Decides || !decides)
	})
}
