package inside

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// statuses is what /clusters?format=json says of the hosts (admin.v3.Clusters).
type statuses struct {
	Clusters []struct {
		Name  string `json:"name"`
		Hosts []struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"address"`
			Hostname string `json:"hostname"`
			Health   struct {
				FailedOutlierCheck bool   `json:"failed_outlier_check"`
				EDS                string `json:"eds_health_status"`
			} `json:"health_status"`
			Weight   uint32 `json:"weight"`
			Priority uint32 `json:"priority"`
			Locality struct {
				Region, Zone string
				SubZone      string `json:"sub_zone"`
			} `json:"locality"`
		} `json:"host_statuses"`
	} `json:"cluster_statuses"`
}

// rows are the lines of the endpoint table that belong to clusters of the schedule.
func (p *player) rows(x *proxy, answer []byte) ([]trace.Row, error) {
	var v statuses
	if err := json.Unmarshal(answer, &v); err != nil {
		return nil, fmt.Errorf("reading the clusters of %s: %w", x.name, err)
	}
	config := p.configAt(trace.Sec(p.since()))
	var rows []trace.Row
	for client, own := range p.proxies {
		if own != x {
			continue
		}
		cfg := &p.s.Configs[config][client]
		for i := range cfg.Clusters {
			for _, c := range v.Clusters {
				if c.Name != cfg.Clusters[i].Name {
					continue
				}
				for _, h := range c.Hosts {
					address := p.home(net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port)))
					k := p.hosts.Find(int32(client), c.Name, address, p.nameOf(h.Hostname), config)
					r := trace.Row{
						Client: int32(client), Host: k, Upstream: -1, Address: address, Priority: h.Priority, Weight: h.Weight,
						Status: h.Health.EDS, OutlierCheck: "OK", Cluster: c.Name,
					}
					if h.Health.FailedOutlierCheck {
						r.OutlierCheck = "FAILED"
					}
					if k >= 0 {
						known := &p.hosts.Rows[k]
						r.Upstream, r.Name, r.Locality = known.Upstream, known.Name, known.Locality
					}
					rows = append(rows, r)
				}
			}
		}
	}
	return rows, nil
}

// configAt is the configuration at an instant.
func (p *player) configAt(at trace.Sec) int {
	config := 0
	for i := range p.s.Steps {
		if st := &p.s.Steps[i]; st.Kind == schedule.KindConfig && st.At <= at {
			config = st.Config
		}
	}
	return config
}
