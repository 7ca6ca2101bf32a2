package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	networking "istio.io/api/networking/v1alpha3"
)

// partConfig is the part of a scenario that lies in other documents.
const partConfig = "config"

// validator checks what a scenario says, as far as that needs no translation of
// its configuration.
type validator struct {
	in       *Input
	s        *Spec
	checks   Checks
	bad      map[string]bool // parts and entries that could not be read whole; what needs them is not checked
	problems Problems

	length     Duration   // of the drill
	addresses  []Address  // of the configuration, at any time
	localities []string   // of its endpoints
	hosts      []hostPort // of its ServiceEntries
	upstreams  []Upstream // given or by default, with their ports
	faults     []string   // names, by step
}

// hostPort is a host that clients can ask for, and its ports.
type hostPort struct {
	host  string
	ports []int
}

// validate returns what is wrong; bad names the parts that the decoder has already complained about.
func validate(in *Input, bad map[string]bool, checks Checks) Problems {
	v := &validator{in: in, s: &in.Scenario.Spec, checks: checks, bad: bad}
	v.length = duration(v.s)
	v.faults = faultNames(v.s.Timeline)
	if v.read(partConfig, "timeline") {
		v.addresses = in.Addresses()
		v.configuration()
	}
	v.upstreams = in.upstreams()
	v.metadata()
	v.profile()
	v.mesh()
	v.duration()
	v.clients()
	v.checkUpstreams()
	v.timeline()
	v.expectations()
	return v.problems
}

// read reports whether all these parts were read without a problem.
func (v *validator) read(parts ...string) bool {
	return !slices.ContainsFunc(parts, func(p string) bool { return v.bad[p] })
}

// fail reports a problem of a field: "path: message" where the path stands.
func (v *validator) fail(path, format string, args ...any) {
	v.problems.add(v.in.Where(path), "%s: %s", path, fmt.Sprintf(format, args...))
}

// configuration collects what the rest of the scenario refers to.
func (v *validator) configuration() {
	if len(v.in.Resources) == 0 && !v.in.Has("spec.config") {
		v.problems.add(v.in.Where("spec"), "there is no configuration; name files in spec.config or add documents after ---")
	}
	for step := -1; step < len(v.s.Timeline); step++ {
		if step >= 0 && v.s.Timeline[step].Apply == "" && v.s.Timeline[step].Patch == nil {
			continue
		}
		config := v.in.After(step)
		for _, a := range addressesOf(config) {
			if a.Locality != "" && !contains(v.localities, a.Locality) {
				v.localities = append(v.localities, a.Locality)
			}
		}
		for _, res := range config {
			v.addHosts(res)
		}
	}
}

func (v *validator) addHosts(res *istio.Resource) {
	se, ok := res.Spec.(*networking.ServiceEntry)
	if !ok {
		return
	}
	for _, host := range se.Hosts {
		h := hostPort{host: canonical(host)}
		for _, p := range se.Ports {
			h.ports = append(h.ports, int(p.GetNumber()))
		}
		v.hosts = append(v.hosts, h)
	}
}

func (v *validator) metadata() {
	if v.bad["metadata"] {
		return
	}
	m := v.in.Scenario.Metadata
	v.name("metadata.name", m.Name)
	v.labels("metadata.labels", m.Labels)
}

// name checks a name that is required.
func (v *validator) name(path, name string) {
	if !isLabel(name) {
		v.fail(path, "%s is not a DNS label: lower-case letters, digits and -, at most 63", quote(name))
	}
}

// title checks a name that only people read.
func (v *validator) title(path, name string) {
	if strings.TrimSpace(name) == "" || strings.ContainsAny(name, "\n\r") {
		v.fail(path, "expected a text of one line, found %s", quote(name))
	}
}

// uniqueName checks a name that is unique in its list; seen has the paths of the names before.
func (v *validator) uniqueName(path, name string, seen map[string]string) {
	if first, ok := seen[name]; ok {
		v.fail(path, "the name %s is already taken at %s", quote(name), v.in.Where(first))
		return
	}
	seen[name] = path
}

func (v *validator) labels(path string, labels map[string]string) {
	for _, p := range labelProblems(labels) {
		v.fail(join(path, p.key), "%s", p.message)
	}
}

var (
	release = `[0-9]+\.[0-9]+(\.[0-9]+)?`
	profile = regexp.MustCompile(`^(` + release + `|(istio|envoy)=` + release + `(,(istio|envoy)=` + release + `)?)$`)
)

func (v *validator) profile() {
	text := v.s.Profile
	if v.bad["profile"] || text == "" && !v.in.Has("spec.profile") {
		return
	}
	if !profile.MatchString(text) || strings.Count(text, "istio") > 1 || strings.Count(text, "envoy") > 1 {
		v.fail("spec.profile", `expected an Istio release such as "1.31", or istio=1.31,envoy=1.36, found %s`, quote(text))
		return
	}
	if v.checks.Profile != nil {
		if err := v.checks.Profile(text); err != nil {
			v.fail("spec.profile", "%v", err)
		}
	}
}

func (v *validator) duration() {
	if v.in.Has("spec.duration") && v.s.Duration == 0 && !v.bad["duration"] {
		v.fail("spec.duration", "expected more than 0s")
	}
}

func (v *validator) mesh() {
	m := v.s.Mesh
	if m == nil || v.bad["mesh"] {
		return
	}
	v.positive("spec.mesh.connectTimeout", m.ConnectTimeout)
	if m.DefaultRetryAttempts != nil && *m.DefaultRetryAttempts < 0 {
		v.fail("spec.mesh.defaultRetryAttempts", "expected 0 or more, found %d", *m.DefaultRetryAttempts)
	}
	for i, f := range m.Failover {
		if f.From == f.To {
			v.fail(index("spec.mesh.failover", i)+".to", "from and to are both %s", quote(f.To))
		}
	}
}

// positive checks a duration that cannot be 0 when it is written.
func (v *validator) positive(path string, d Duration) {
	if d == 0 && v.in.Has(path) {
		v.fail(path, "expected more than 0s")
	}
}

// atLeastOne checks a number that has to be 1 or more when it is written.
func (v *validator) atLeastOne(path string, n int) {
	if n < 1 && v.in.Has(path) {
		v.fail(path, "expected 1 or more, found %d", n)
	}
}

// upstreamNames are the names that faults and expectations can use.
func (v *validator) upstreamNames() []string {
	names := make([]string, len(v.upstreams))
	for i, u := range v.upstreams {
		names[i] = u.Name
	}
	return names
}

// knowsUpstreams reports whether the upstreams, given or by default, could be read.
func (v *validator) knowsUpstreams() bool {
	return v.read("upstreams") && (len(v.s.Upstreams) > 0 || v.read(partConfig, "timeline"))
}

// upstream checks a reference to an upstream.
func (v *validator) upstream(path, name string) {
	if !v.knowsUpstreams() {
		return
	}
	if names := v.upstreamNames(); !contains(names, name) {
		v.fail(path, "no upstream %s%s", quote(name), didYouMean(name, names))
	}
}

// sorted lists the keys of a map in order, so that messages come in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
