package incluster

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func speaking(mode string, t xds.TLS) xds.Cluster {
	return xds.Cluster{TLS: &t, Localities: []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{{Address: "10.10.0.1", Port: 443, TLSMode: mode}}}}}
}

// The proxies find the CA of the play, and a certificate of it, wherever they look.
func TestFiles(t *testing.T) {
	c, err := certificates.New()
	if err != nil {
		t.Fatal(err)
	}
	s := &schedule.Schedule{Configs: [][]xds.Config{
		{{Clusters: []xds.Cluster{{}, speaking("", xds.TLS{CA: xds.SystemRoot})}}},
		{{Clusters: []xds.Cluster{speaking("", xds.TLS{CA: xds.FileRoot + "/etc/ca.pem", Certificate: xds.FileCert + "/etc/cert.pem~/etc/key.pem"})}}},
	}}
	files, err := Files(s, c, "spiffe://cluster.local/ns/a/sa/b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/ca.pem", "/etc/cert.pem", "/etc/key.pem", systemRoots}, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if !bytes.Equal(files["/etc/ca.pem"], c.PEM()) || !bytes.Equal(files[systemRoots], c.PEM()) {
		t.Error("a CA is another one")
	}
	if !bytes.Contains(files["/etc/cert.pem"], []byte("CERTIFICATE")) || !bytes.Contains(files["/etc/key.pem"], []byte("PRIVATE KEY")) {
		t.Error("the client's certificate and its key are not where they belong")
	}
}
