package istio

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"
)

// validate lists what istiod's admission webhook refuses or warns about.
// pkg/config/validation/validation.go; only what the translated kinds can say.
func (t *translator) validate(resources []*Resource) {
	for _, r := range resources {
		v := validator{t: t, r: r}
		switch spec := r.Spec.(type) {
		case *networking.ServiceEntry:
			v.serviceEntry(spec)
		case *networking.DestinationRule:
			v.destinationRule(spec)
		case *networking.VirtualService:
			v.virtualService(spec)
		}
	}
}

// warnUnused names the rules that nothing of this client uses.
func (t *translator) warnUnused(resources []*Resource) {
	for _, r := range resources {
		dr, ok := r.Spec.(*networking.DestinationRule)
		if !ok || t.used[r] {
			continue
		}
		host := t.fullName(dr.Host, r.Namespace)
		why := fmt.Sprintf("another DestinationRule comes first for host %s, or this one is not visible in namespace %s", host, t.client.Namespace)
		if !slices.ContainsFunc(t.services, func(s *service) bool { return hostCovers(host, s.host) }) {
			why = fmt.Sprintf("no ServiceEntry that namespace %s can see has host %s", t.client.Namespace, host)
		}
		validator{t: t, r: r}.warn("spec.host", "the DestinationRule is not used: %s", why)
	}
}

type validator struct {
	t *translator
	r *Resource
}

func (v validator) problem(field, format string, args ...any) Problem {
	pos := v.r.Where(field)
	return Problem{pos, v.r.ID(), field, fmt.Sprintf(format, args...)}
}

func (v validator) refuse(field, format string, args ...any) {
	v.t.out.Rejected = append(v.t.out.Rejected, v.problem(field, format, args...))
}

func (v validator) warn(field, format string, args ...any) {
	v.t.out.Warnings = append(v.t.out.Warnings, v.problem(field, format, args...))
}

// duration: whole milliseconds, at least one.
func (v validator) duration(field string, d *durationpb.Duration) {
	if d == nil {
		return
	}
	switch dur := d.AsDuration(); {
	case dur < time.Millisecond:
		v.refuse(field, "%s is shorter than 1ms", dur)
	case dur%time.Millisecond != 0:
		v.refuse(field, "%s is not a whole number of milliseconds", dur)
	}
}

func (v validator) percent(field string, n int32) {
	if n < 0 || n > 100 {
		v.refuse(field, "%d is not a percentage; expected 0 to 100", n)
	}
}

func (v validator) notNegative(field string, n int32) {
	if n < 0 {
		v.refuse(field, "%d is negative", n)
	}
}

func (v validator) port(field string, n uint32) {
	if n < 1 || n > 65535 {
		v.refuse(field, "%d is not a port; expected 1 to 65535", n)
	}
}

func (v validator) labels(field string, labels map[string]string) {
	for _, k := range sortedKeys(labels) {
		if !isLabelKey(k) {
			v.refuse(field, "%q is not a label key", k)
		}
		if !isLabelValue(labels[k]) {
			v.refuse(field+"."+k, "%q is not a label value", labels[k])
		}
	}
}

// exportTo: ".", "*" or namespaces; "~" for a ServiceEntry alone. validateExportTo.
func (v validator) exportTo(list []string, none, selector bool) {
	seen := map[string]bool{}
	for i, e := range list {
		field, key := indexed("spec.exportTo", i), e
		if e == "." {
			key = v.r.Namespace
		}
		switch {
		case seen[key]:
			v.refuse(field, "%q is there twice", e)
		case e == "~" && !none:
			v.refuse(field, "only a ServiceEntry can be exported to nobody (~)")
		case key != "*" && key != "~" && !isDNSLabel(key):
			v.refuse(field, "%q is not a namespace; expected one, or . or *", e)
		}
		seen[key] = true
	}
	if len(list) > 1 && (seen["*"] || seen["~"]) {
		v.refuse("spec.exportTo", "* and ~ stand alone")
	}
	if selector && len(list) > 0 && (len(seen) > 1 || !seen[v.r.Namespace]) {
		v.refuse("spec.exportTo", "a DestinationRule with a workloadSelector serves its own namespace only")
	}
}

// wildcardHost: a DNS name, whose first label may be or begin with *. ValidateWildcardDomain.
func wildcardHost(host string) error {
	head, rest, more := strings.Cut(host, ".")
	switch {
	case host == "":
		return fmt.Errorf("the host is empty")
	case len(host) > 255:
		return fmt.Errorf("%q is longer than 255 characters", host)
	case head != "*" && !isDNSLabel(withoutStar(head)):
		return fmt.Errorf("%q is not a host: %q is not a DNS label", host, head)
	case more:
		return dnsLabels(host, rest)
	}
	return nil
}

// withoutStar takes a leading * or *- from a label.
func withoutStar(label string) string {
	if rest, found := strings.CutPrefix(label, "*"); found {
		return strings.TrimPrefix(rest, "-")
	}
	return label
}

// fqdn: a DNS name without wildcards. ValidateFQDN.
func fqdn(host string) error {
	switch {
	case host == "":
		return fmt.Errorf("the host is empty")
	case len(host) > 255:
		return fmt.Errorf("%q is longer than 255 characters", host)
	}
	return dnsLabels(host, host)
}

func dnsLabels(host, text string) error {
	parts := strings.Split(text, ".")
	if last := parts[len(parts)-1]; last != "" && strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%q is not a host: its top-level domain is a number", host)
	}
	for i, p := range parts {
		if i == len(parts)-1 && p == "" { // a final dot
			return nil
		}
		if !isDNSLabel(p) {
			return fmt.Errorf("%q is not a host: %q is not a DNS label", host, p)
		}
	}
	return nil
}

func isDNSLabel(s string) bool {
	return len(s) <= 63 && wordOf(s, "-")
}

// isLabelKey: an optional DNS prefix and a slash, then a name of at most 63 characters.
func isLabelKey(s string) bool {
	prefix, name, found := strings.Cut(s, "/")
	if !found {
		prefix, name = "", s
	} else if len(prefix) > 253 || slices.ContainsFunc(strings.Split(prefix, "."), func(p string) bool { return !wordOf(p, "-") }) {
		return false
	}
	return len(name) <= 63 && wordOf(name, "-_.")
}

func isLabelValue(s string) bool { return s == "" || wordOf(s, "-_.") }

// wordOf reports whether s begins and ends with a letter or digit and has only
// those and the given characters between.
func wordOf(s, inner string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || i == len(s)-1 || strings.IndexByte(inner, c) < 0) {
			return false
		}
	}
	return s != ""
}
