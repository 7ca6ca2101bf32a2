package observe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Poll is what the counters of a proxy said at an instant: when the answer came.
// Counters are named as /stats has them (cluster.NAME.upstream_rq_total), those of
// a host as /clusters has them (NAME::ip:port::cx_connect_fail).
type Poll struct {
	At       time.Time        `json:"at"`
	Counters map[string]int64 `json:"counters"`
}

// Stats reads the text of /stats.
func Stats(text []byte) map[string]int64 { return counters(text, ": ") }

// Clusters reads the counters of every host from the text of /clusters.
func Clusters(text []byte) map[string]int64 { return counters(text, "::") }

// counters are the lines that end in a number; its separator is the last one.
func counters(text []byte, separator string) map[string]int64 {
	m := map[string]int64{}
	s := bufio.NewScanner(bytes.NewReader(text))
	for s.Scan() {
		i := strings.LastIndex(s.Text(), separator)
		if i < 0 {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(s.Text()[i+len(separator):]), 10, 64); err == nil {
			m[s.Text()[:i]] = n
		}
	}
	return m
}

// clusterCounter reads a counter of a cluster. istiod sets an alternative name of
// statistics, which ends in a semicolon.
func (p *Poll) clusterCounter(cluster, name string) int64 {
	for _, alt := range []string{cluster, cluster + ";"} {
		if n, ok := p.Counters["cluster."+alt+"."+name]; ok {
			return n
		}
	}
	return 0
}

func (p *Poll) hostCounter(cluster, address, name string) int64 {
	return p.Counters[cluster+"::"+address+"::"+name]
}

// Built is when the proxy took a cluster that is new or changed: its interval
// ticks count from there.
type Built struct {
	At      time.Time `json:"at"`
	Cluster string    `json:"cluster"`
	// Read is when the proxy came to this one of several that it took at once; zero: at At.
	Read time.Time `json:"read,omitzero"`
}

// inOneResponse is how far apart two clusters of one response can be built: 211 ms were
// seen on a machine that had too much to do, 3 to 30 on others. A response has a cluster once.
const inOneResponse = 250 * time.Millisecond

// Together gives clusters that came in one response, of which only is known when each was
// built, the time of the first. Envoy takes a response in one turn of its event loop
// (cds_api_helper.cc, onConfigUpdate), and libevent counts the timers of all its clusters
// from when that turn began: on a starved machine the ninth of twelve was built 163 ms
// after the first, and ticked with it.
func Together(built []Built) []Built {
	out := slices.Clone(built)
	slices.SortFunc(out, func(x, y Built) int { return x.At.Compare(y.At) })
	var first, last time.Time
	names := map[string]bool{}
	for i := range out {
		b := &out[i]
		own := b.At
		if own.Sub(last) > inOneResponse || names[b.Cluster] {
			first = own
			clear(names)
		}
		if last, names[b.Cluster] = own, true; first.Before(own) {
			b.At, b.Read = first, own
		}
	}
	return out
}

// Own is when the proxy came to the cluster itself.
func (b *Built) Own() time.Time {
	if b.Read.IsZero() {
		return b.At
	}
	return b.Read
}

// ConfigDump reads when each cluster was taken from a /config_dump, or from the
// part of it that ?resource=dynamic_active_clusters selects.
func ConfigDump(dump []byte) ([]Built, error) {
	type active struct {
		Cluster struct {
			Name string `json:"name"`
		} `json:"cluster"`
		LastUpdated time.Time `json:"last_updated"`
	}
	var v struct {
		Configs []struct {
			active
			Active []active `json:"dynamic_active_clusters"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(dump, &v); err != nil {
		return nil, err
	}
	var out []Built
	for _, c := range v.Configs {
		for _, a := range append(c.Active, c.active) {
			if a.Cluster.Name != "" && !a.LastUpdated.IsZero() {
				out = append(out, Built{At: a.LastUpdated.UTC(), Cluster: a.Cluster.Name})
			}
		}
	}
	return out, nil
}
