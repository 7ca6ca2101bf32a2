package istiod

import (
	"testing"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func TestFetch(t *testing.T) {
	i, err := Start(t.Context(), Options{Binary: binary(t), Dir: t.TempDir(), Documents: []schedule.Document{entry(t, "a.example")}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	if err := i.SetConfig(t.Context(), []schedule.Document{entry(t, "b.example")}); err != nil {
		t.Fatal(err)
	}
	s, err := Fetch(t.Context(), i.GRPCAddr(), Node{Locality: xds.Locality{Region: "r1"}, Labels: map[string]string{"app": "x"}}, func(c map[string]*cluster.Cluster) bool {
		return c["outbound|80||b.example"] != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s)
	got, unread := s.Read()
	t.Logf("%+v", got)
	t.Log(unread)
}
