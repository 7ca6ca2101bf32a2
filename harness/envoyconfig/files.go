package envoyconfig

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/faildrill/faildrill/harness/xds"
)

// JSON writes a message the way Envoy's documentation spells it.
func JSON(m proto.Message) ([]byte, error) {
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
}

// CDSFile is where WriteCDS puts the clusters.
func CDSFile(dir string) string { return filepath.Join(dir, "cds.json") }

// RDSFile is where WriteRDS puts the route configuration of that name.
func RDSFile(dir, name string) string { return filepath.Join(dir, "rds-"+name+".json") }

// EDSFile is where WriteEDS puts the endpoints of the cluster of that name.
func EDSFile(dir, cluster string) string {
	return filepath.Join(dir, "eds-"+url.PathEscape(cluster)+".json")
}

// WriteCDS replaces the clusters that Envoy reads from the folder. The version
// shows in Envoy's config dump.
func WriteCDS(dir, version string, clusters []*clusterv3.Cluster) error {
	list := make([]proto.Message, len(clusters))
	for i, c := range clusters {
		list[i] = c
	}
	return write(CDSFile(dir), version, list)
}

// WriteRDS replaces one route configuration; each has a file of its own, since
// Envoy takes no more than one from a file.
func WriteRDS(dir, version string, routes *routev3.RouteConfiguration) error {
	return write(RDSFile(dir, routes.Name), version, []proto.Message{routes})
}

// WriteEDS replaces the endpoints of one EDS cluster.
func WriteEDS(dir, version string, c *xds.Cluster) error {
	return write(EDSFile(dir, c.Name), version, []proto.Message{LoadAssignment(c)})
}

// write renames a complete file into place: Envoy reads it at that moment, and
// would take half a file for the whole.
func write(path, version string, resources []proto.Message) error {
	response := &discoveryv3.DiscoveryResponse{VersionInfo: version}
	for _, m := range resources {
		a, err := anypb.New(m)
		if err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		response.Resources = append(response.Resources, a)
	}
	b, err := JSON(response)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
	if err := os.WriteFile(next, b, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}
