package explain

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
)

// portEntry is the path of an entry of portLevelSettings, and of the policy around it.
var portEntry = regexp.MustCompile(`^(.*)\.portLevelSettings\[\d+\]$`)

// policyBlocks are what an entry of portLevelSettings replaces.
var policyBlocks = []string{"outlierDetection", "connectionPool", "loadBalancer", "tls"}

// portLevelSettings: an entry for the port replaces the whole policy, so that
// the outlierDetection around it is not in force
// (pilot/pkg/networking/util/util.go: GetPortLevelTrafficPolicy).
func portLevelSettings(s *site, _ *drill) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartPolicy)
	if !ok || s.cluster.OutlierDetection != nil {
		return nil
	}
	m := portEntry.FindStringSubmatch(use.Path)
	if m == nil {
		return nil
	}
	block, from := map[string]any(nil), ""
	for _, p := range []string{m[1], "spec.trafficPolicy"} { // that of a subset, then that of the rule
		if b, ok := lookup(use.Resource.Spec, p+".outlierDetection").(map[string]any); ok {
			block, from = b, p
			break
		}
	}
	if block == nil {
		return nil
	}
	var dropped []string
	for _, b := range policyBlocks {
		if lookup(use.Resource.Spec, from+"."+b) != nil && lookup(use.Resource.Spec, use.Path+"."+b) == nil {
			dropped = append(dropped, b)
		}
	}
	path := use.Path + ".outlierDetection"
	f := finding(CodePortLevelSettings, SeverityError, use.Resource, path)
	f.Default = "none"
	f.Message = fmt.Sprintf("%s has no outlierDetection, and %s; not in force on this port: %s of %s",
		strings.TrimPrefix(use.Path, "spec."), why(CodePortLevelSettings), strings.Join(dropped, ", "), from)
	f.edits = append(f.edits, set(use.Resource, path, block))
	for _, more := range blocks() {
		merged := map[string]any{}
		for k, v := range block {
			merged[k] = v
		}
		for k, v := range more {
			merged[k] = v
		}
		f.edits = append(f.edits, set(use.Resource, path, merged))
	}
	return []Finding{f}
}
