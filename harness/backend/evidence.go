package backend

import (
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/trace"
)

// LoopbackFile is the file that says where the addresses of the drill are, when it is
// played on the loopback interface.
const LoopbackFile = "loopback.json"

// PlacesFile says the same of a run in a cluster, whose upstreams are in containers with
// addresses of their own.
const PlacesFile = "places.json"

// ClientFile is the name of a file of evidence about a client.
func ClientFile(client, name string) string {
	return strings.NewReplacer("/", "-", "\\", "-").Replace(client) + "-" + name
}

// PredictedFile and DumpFile are the files with what was predicted of a client's
// configuration, and with what its proxy had (see check.Config). The number is that
// of the configuration in the schedule.
func PredictedFile(client string, config int) string {
	return ClientFile(client, fmt.Sprintf("predicted-%d.json", config))
}

// DumpFile is the other half.
func DumpFile(client string, config int) string {
	return ClientFile(client, fmt.Sprintf("config_dump-%d.json", config))
}

// IstioctlFile is the file with what istioctl said of a client's endpoints at an instant.
func IstioctlFile(client string, at trace.Sec) string {
	return ClientFile(client, fmt.Sprintf("istioctl-endpoints-%v.txt", at.D()))
}
