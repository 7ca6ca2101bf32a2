package engine

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/xds"
)

// Draw is the state of a cluster as text: what the workers go by, what the main
// thread holds, and what is on its way from one to the other.
//
//	priority 0: 0 %, priority 1: 100 %
//	h0 10.0.0.1:80  P0  out  ejected until 84.5 (1 x base, ejection 1)
//	h1 10.0.0.2:80  P1  in   5xx 1, gateway 1
//	priority 0 is delivered at 5.2
//	tick 15
//
// "out" and "in" are the workers' view, the rest of a host's line is the main
// thread's. Counters of 0 are left out.
func (c *Cluster) Draw() string {
	var b strings.Builder
	drawLoads(&b, c)
	for h := range c.hosts {
		if !c.Gone(int32(h)) {
			drawHost(&b, c, int32(h))
		}
	}
	for _, p := range c.posts {
		fmt.Fprintf(&b, "the main thread hears at %s: %s of h%d\n", drawTime(p.at), p.typ, p.host)
	}
	for p, m := range c.merge {
		if m.timer != 0 {
			fmt.Fprintf(&b, "priority %d is delivered at %s\n", p, drawTime(m.timer))
		}
	}
	for _, u := range c.updates {
		for _, s := range u.sets {
			fmt.Fprintf(&b, "priority %d reaches the workers at %s\n", s.level, drawTime(u.at))
		}
	}
	if c.watched {
		fmt.Fprintf(&b, "tick %s\n", drawTime(c.detector.NextTick()))
	}
	return b.String()
}

func drawLoads(b *strings.Builder, c *Cluster) {
	l := c.Loads()
	for p := range l.Levels() {
		if p > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "priority %d: %d %%", p, l.Percent(p))
		if l.Panic(p) {
			b.WriteString(" in panic")
		}
	}
	b.WriteString("\n")
}

func drawHost(b *strings.Builder, c *Cluster, h int32) {
	host := &c.hosts[h]
	view := "out"
	if c.workers.sees(host.Priority, h) {
		view = "in"
	}
	facts := drawDetector(c, h)
	if host.Health != xds.HealthUnknown {
		facts = append(facts, string(host.Health))
	}
	if n := c.active[h]; n > 0 {
		facts = append(facts, fmt.Sprintf("%d active", n))
	}
	line := fmt.Sprintf("h%d %s  P%d  %-3s  %s", h, host.Address, host.Priority, view, strings.Join(facts, ", "))
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func drawDetector(c *Cluster, h int32) []string {
	if !c.watched {
		return nil
	}
	var facts []string
	d := c.detector.Host(h)
	switch {
	case d.Ejected:
		facts = append(facts, fmt.Sprintf("ejected until %s (%d x base, ejection %d)", drawTime(c.detector.ReturnTick(h)), d.Multiplier, d.Ejections))
	case d.Ejections > 0:
		facts = append(facts, fmt.Sprintf("multiplier %d, ejections %d", d.Multiplier, d.Ejections))
	}
	if d.Degraded {
		facts = append(facts, fmt.Sprintf("degraded (%d x base)", d.DegradeMultiplier))
	}
	for _, k := range []struct {
		t    outlier.Type
		name string
	}{{outlier.Consecutive5xx, "5xx"}, {outlier.ConsecutiveGatewayFailure, "gateway"}, {outlier.ConsecutiveLocalOriginFailure, "local"}} {
		if n := d.Consecutive[k.t]; n > 0 {
			facts = append(facts, fmt.Sprintf("%s %d", k.name, n))
		}
	}
	return facts
}

// sees reports whether the workers hold the host for one that can serve.
func (w *workers) sees(p uint32, h int32) bool {
	if int(p) >= len(w.levels) {
		return false
	}
	l := &w.levels[p]
	for _, hosts := range [][]int32{l.healthy.hosts, l.degraded.hosts} {
		for _, o := range hosts {
			if o == h {
				return true
			}
		}
	}
	return false
}

// drawTime is a moment in seconds.
func drawTime(at int64) string {
	return strconv.FormatFloat(float64(at)/1e9, 'f', -1, 64)
}
