package engine

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// A name stands for all of its addresses, in a logical DNS cluster for the first;
// an address that is there twice is one host in an EDS cluster, two behind two
// names (4.13, 12.1, X24, X25).
func TestHostsOf(t *testing.T) {
	s := &schedule.Schedule{Upstreams: []schedule.Upstream{
		{Name: "two", Address: "two.example", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}},
		{Name: "one", Address: "one.example", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.3")}},
	}}
	for _, c := range []struct {
		kind xds.DiscoveryType
		ends []string
		want []string
	}{
		{xds.StrictDNS, []string{"two.example", "one.example"}, []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}},
		{xds.StrictDNS, []string{"one.example", "ONE.example"}, []string{"10.0.0.3:80", "10.0.0.3:80"}},
		{xds.StrictDNS, []string{"nowhere.example", "one.example"}, []string{"10.0.0.3:80"}},
		{xds.LogicalDNS, []string{"two.example"}, []string{"10.0.0.1:80"}},
		{xds.EDS, []string{"10.0.0.1", "10.0.0.9", "10.0.0.1"}, []string{"10.0.0.1:80", "10.0.0.9:80"}},
	} {
		cl := xds.Cluster{Type: c.kind}
		for _, e := range c.ends {
			cl.Localities = append(cl.Localities, xds.LocalityEndpoints{Endpoints: []xds.Endpoint{{Address: e, Port: 80}}})
		}
		var got []string
		for _, h := range HostsOf(&cl, s) {
			got = append(got, h.Address)
			if h.Weight != 1 || h.Trace != -1 {
				t.Errorf("%s: %+v; want weight 1, no trace", h.Address, h)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s %v (-want +got)\n%s", c.kind, c.ends, d)
		}
	}
	h := HostsOf(&xds.Cluster{Type: xds.StrictDNS, Localities: []xds.LocalityEndpoints{{
		Locality: xds.Locality{Region: "r", Zone: "z"}, Priority: 2, Endpoints: []xds.Endpoint{{Address: "one.example", Port: 81, Weight: 7, Health: xds.HealthDraining}},
	}}}, s)
	want := []Host{{
		Name: "one.example", Address: "10.0.0.3:81", Port: 81, Locality: xds.Locality{Region: "r", Zone: "z"}, Priority: 2, Weight: 7,
		Health: xds.HealthDraining, Upstream: 1, Trace: -1,
	}}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The name itself beats a wildcard, a longer wildcard a shorter one, * is last;
// then the first route whose prefix fits, and no other virtual host.
func TestRoute(t *testing.T) {
	host := func(cluster string, port uint32, domains ...string) xds.VirtualHost {
		return xds.VirtualHost{Domains: domains, Port: port, Routes: []xds.Route{{Prefix: "/api", Cluster: cluster + "-api"}, {Prefix: "/", Cluster: cluster}}}
	}
	c := &xds.Config{VirtualHosts: []xds.VirtualHost{
		host("any", 80, "*"), host("com", 80, "*.com"), host("db", 80, "x.example", "*.db.com"), host("my", 80, "my.db.com"),
		{Domains: []string{"narrow.com"}, Port: 80, Routes: []xds.Route{{Prefix: "/only", Cluster: "narrow"}}},
		host("tls", 443, "*"),
	}}
	for _, r := range []struct {
		host string
		port uint32
		path string
		want string
	}{
		{"my.db.com", 80, "/", "my"},
		{"MY.DB.com", 80, "/api/1", "my-api"},
		{"your.db.com", 80, "/", "db"},
		{"db.com", 80, "/", "com"},
		{"x.example", 80, "/", "db"},
		{"y.example", 80, "/", "any"},
		{"my.db.com", 443, "/", "tls"},
		{"my.db.com", 81, "/", ""},
		{"narrow.com", 80, "/other", ""},
		{"narrow.com", 80, "/only", "narrow"},
	} {
		got := ""
		if x := Route(c, r.host, r.port, r.path); x != nil {
			got = x.Cluster
		}
		if got != r.want {
			t.Errorf("%s:%d%s: got %q, want %q", r.host, r.port, r.path, got, r.want)
		}
	}
}

// The row of the endpoint table: the columns of istioctl proxy-config endpoints (13).
func TestRow(t *testing.T) {
	for health, want := range map[xds.Health]string{
		xds.HealthUnknown: "HEALTHY", xds.HealthHealthy: "HEALTHY", xds.HealthUnhealthy: "UNHEALTHY", xds.HealthTimeout: "UNHEALTHY",
		xds.HealthDraining: "DRAINING", xds.HealthDegraded: "DEGRADED",
	} {
		cfg := testCluster()
		ch := NewChooser(1)
		c := NewCluster(&cfg, xds.Rules{}, []Host{{Address: "10.0.0.1:80", Weight: 1, Health: health}}, Delays{}, 0, &ch)
		if got := c.Row(0, 0); got.Status != want || got.OutlierCheck != "OK" || got.Ejections != 0 || got.Cluster != "c" {
			t.Errorf("%q: got %+v", health, got)
		}
	}
	cfg := testCluster()
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent = 1, 100
	cfg.OutlierDetection = &od
	ch := NewChooser(1)
	c := NewCluster(&cfg, xds.Rules{}, []Host{{Address: "10.0.0.1:80", Weight: 1}}, Delays{}, 0, &ch)
	c.Report(0, 0, failing, 0, &ch, func(Change) {})
	if got := c.Row(0, 0); got.Status != "HEALTHY" || got.OutlierCheck != "FAILED" || got.Ejections != 1 {
		t.Errorf("ejected: got %+v", got)
	}
	if st := c.Stats(); st.Overflow != 0 || c.Config() != &cfg {
		t.Errorf("got %+v", st)
	}
}

// No route is 404 NR, a route to nowhere 503 NC (10.1).
func TestNoRouteNoCluster(t *testing.T) {
	s := written(t, "upstream a 198.18.0.1\nendpoints a:80\nclient every=1s count=1")
	s.Clients[0].Load.Host = "other.com"
	if r := Play(s).Requests[0]; r.Status != 404 || r.Flags != trace.FlagNR {
		t.Errorf("no route: got %d %s", r.Status, r.Flags)
	}
	s.Clients[0].Load.Host = "mydb.com"
	s.Configs[0][0].Clusters = nil
	if r := Play(s).Requests[0]; r.Status != 503 || r.Flags != trace.FlagNC {
		t.Errorf("no cluster: got %d %s", r.Status, r.Flags)
	}
}
