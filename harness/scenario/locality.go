package scenario

import (
	"cmp"
	"strings"

	"github.com/faildrill/faildrill/harness/xds"
)

// The node labels that say where a node is: today's, and the ones that were
// deprecated in Kubernetes 1.17 and that older recipes still use.
const (
	regionLabel    = "topology.kubernetes.io/region"
	zoneLabel      = "topology.kubernetes.io/zone"
	subzoneLabel   = "topology.istio.io/subzone"
	oldRegionLabel = "failure-domain.beta.kubernetes.io/region"
	oldZoneLabel   = "failure-domain.beta.kubernetes.io/zone"
)

// Loc is where the client is: its locality, or what its node's labels say.
func (c Client) Loc() xds.Locality {
	if c.Locality != "" {
		return ParseLocality(c.Locality)
	}
	return xds.Locality{
		Region:  cmp.Or(c.NodeLabels[regionLabel], c.NodeLabels[oldRegionLabel]),
		Zone:    cmp.Or(c.NodeLabels[zoneLabel], c.NodeLabels[oldZoneLabel]),
		SubZone: c.NodeLabels[subzoneLabel],
	}
}

// ParseLocality reads region[/zone[/subzone]].
func ParseLocality(s string) xds.Locality {
	parts := strings.SplitN(s, "/", 3)
	parts = append(parts, "", "")
	return xds.Locality{Region: parts[0], Zone: parts[1], SubZone: parts[2]}
}
