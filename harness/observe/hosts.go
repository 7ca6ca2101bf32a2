package observe

import (
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Hosts are all hosts that the proxies of a drill can have, numbered as its trace
// numbers them: those of every configuration, with every answer of the DNS.
type Hosts struct {
	Rows []trace.Host

	in [][]int // by row: the configurations that have it
	s  *schedule.Schedule
}

// NewHosts numbers the hosts of a schedule.
func NewHosts(s *schedule.Schedule) *Hosts {
	h := &Hosts{s: s}
	names := engine.NewNames(s)
	h.learn(&names, 0, 0)
	config := 0
	for i := range s.Steps {
		if s.Steps[i].Kind == schedule.KindConfig {
			config = s.Steps[i].Config
		}
		names.Step(i)
		h.learn(&names, config, s.Steps[i].At)
	}
	return h
}

// learn adds what the clusters of a configuration have while the DNS is as it is.
func (h *Hosts) learn(names *engine.Names, config int, at trace.Sec) {
	ch := engine.NewChooser(1)
	for client := range h.s.Configs[config] {
		for i := range h.s.Configs[config][client].Clusters {
			c := &h.s.Configs[config][client].Clusters[i]
			_, hosts := names.LookUps(c, int64(at), &ch)
			for j := range hosts {
				h.add(int32(client), c.Name, &hosts[j], config, at)
			}
		}
	}
}

func (h *Hosts) add(client int32, cluster string, e *engine.Host, config int, at trace.Sec) {
	row := trace.Host{
		At: at, Index: int32(len(h.Rows)), Client: client, Upstream: e.Upstream, Cluster: cluster, Name: e.Name, Address: e.Address,
		Locality: e.Locality.String(), Priority: e.Priority, Weight: e.Weight,
	}
	for i, r := range h.Rows {
		if r.Client == client && r.Cluster == cluster && r.Address == row.Address && r.Name == row.Name && r.Priority == row.Priority && r.Locality == row.Locality {
			h.in[i] = append(h.in[i], config)
			return
		}
	}
	h.Rows, h.in = append(h.Rows, row), append(h.in, []int{config})
}

// Find is the row of an address, -1 if it has none. The name tells two hosts with
// one address apart; a log that does not know it says "". Of several rows it is
// the one of the configuration, else the last.
func (h *Hosts) Find(client int32, cluster, address, name string, config int) int32 {
	best, fit := int32(-1), -1
	for i, r := range h.Rows {
		if r.Client != client || r.Cluster != cluster || r.Address != address {
			continue
		}
		f := 0
		if r.Name != "" && slices.Contains([]string{r.Name, fmt.Sprintf("%s:%s", r.Name, port(r.Address))}, name) {
			f += 2
		}
		if slices.Contains(h.in[i], config) {
			f++
		}
		if f >= fit {
			best, fit = int32(i), f
		}
	}
	return best
}

// port is what an ip:port has after its last colon.
func port(address string) string {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == ':' {
			return address[i+1:]
		}
	}
	return ""
}
