package sidecar

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

// ClustersPath is what Rows reads.
const ClustersPath = "/clusters?format=json"

// Rows are the lines of the endpoint table that belong to a client's clusters at an
// instant, from a proxy's answer to ClustersPath.
func (b *Book) Rows(x *Proxy, client int, answer []byte, at trace.Sec) ([]trace.Row, error) {
	var v statuses
	if err := json.Unmarshal(answer, &v); err != nil {
		return nil, fmt.Errorf("reading the clusters of %s: %w", x.Name, err)
	}
	config := configAt(b.s, at)
	cfg := &b.s.Configs[config][client]
	var rows []trace.Row
	for i := range cfg.Clusters {
		for _, c := range v.Clusters {
			if c.Name != cfg.Clusters[i].Name {
				continue
			}
			for _, h := range c.Hosts {
				address := x.home(net.JoinHostPort(h.Address.Socket.Address, strconv.Itoa(h.Address.Socket.Port)))
				name := h.Hostname
				if x.NameOf != nil {
					name = x.NameOf(name)
				}
				k := b.hosts.Find(int32(client), c.Name, address, name, config)
				r := trace.Row{
					Client: int32(client), Host: k, Upstream: -1, Address: address, Priority: h.Priority, Weight: h.Weight,
					Status: h.Health.EDS, OutlierCheck: "OK", Cluster: c.Name,
				}
				if h.Health.FailedOutlierCheck {
					r.OutlierCheck = "FAILED"
				}
				if k >= 0 {
					known := &b.hosts.Rows[k]
					r.Upstream, r.Name, r.Locality = known.Upstream, known.Name, known.Locality
				}
				rows = append(rows, r)
			}
		}
	}
	return rows, nil
}

// configAt is the configuration at an instant.
func configAt(s *schedule.Schedule, at trace.Sec) int {
	config := 0
	for i := range s.Steps {
		if st := &s.Steps[i]; st.Kind == schedule.KindConfig && st.At <= at {
			config = st.Config
		}
	}
	return config
}
