package envoyconfig

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness/xds"
)

// Predicted writes a client's configuration as check.Config reads it: an object
// with the lists clusters, routes (one configuration a port) and endpoints (one
// assignment an EDS cluster), each of Envoy's messages as JSON.
func Predicted(c *xds.Config) ([]byte, error) {
	doc := struct {
		Clusters  []json.RawMessage `json:"clusters"`
		Routes    []json.RawMessage `json:"routes"`
		Endpoints []json.RawMessage `json:"endpoints"`
	}{}
	add := func(list *[]json.RawMessage, m proto.Message) error {
		b, err := JSON(m)
		if err != nil {
			return fmt.Errorf("writing the prediction: %w", err)
		}
		var compact bytes.Buffer // protojson varies its spaces
		if err := json.Compact(&compact, b); err != nil {
			return err
		}
		*list = append(*list, compact.Bytes())
		return nil
	}
	for i := range c.Clusters {
		if err := add(&doc.Clusters, Cluster(&c.Clusters[i])); err != nil {
			return nil, err
		}
		if c.Clusters[i].Type == xds.EDS {
			if err := add(&doc.Endpoints, LoadAssignment(&c.Clusters[i])); err != nil {
				return nil, err
			}
		}
	}
	for _, port := range Ports(c.VirtualHosts) {
		if err := add(&doc.Routes, Routes(c.VirtualHosts, port)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(doc)
}

// Ports lists the ports that have virtual hosts, in the order of the list.
func Ports(hosts []xds.VirtualHost) []uint32 {
	var list []uint32
	seen := map[uint32]bool{}
	for _, v := range hosts {
		if !seen[v.Port] {
			list = append(list, v.Port)
		}
		seen[v.Port] = true
	}
	return list
}
