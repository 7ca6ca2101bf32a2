package scenario

import (
	"strconv"
	"strings"
)

// expectationFields are what an expectation can expect.
var expectationFields = []string{
	"share", "errors", "statuses", "flags", "attempts", "requests", "endpoint", "events", "failover", "return", "outcome", "cel",
}

// responseFlags are Envoy's, as the access log has them; "-" is none.
var responseFlags = []string{
	"-", "DC", "DF", "DI", "DO", "DPE", "DR", "DT", "FI", "IH", "LH", "LR", "NC", "NFCF", "NR", "OM", "RFCF", "RL", "RLSE", "SI",
	"UAEX", "UC", "UDO", "UF", "UH", "UMSDR", "UO", "UPE", "UR", "URX", "UT",
}

func (v *validator) expectations() {
	seen := map[string]string{}
	for i, e := range v.s.Expect {
		path := index("spec.expect", i)
		if v.bad[path] {
			continue
		}
		v.title(path+".name", e.Name)
		v.uniqueName(path+".name", e.Name, seen)
		if v.in.Has(path+".client") && v.read("clients") {
			v.client(path+".client", e.Client)
		}
		v.window(path, e)
		v.something(path)
		v.shares(path+".share", e.Share)
		v.counts(path, e)
		v.endpoint(path, e)
		if e.CEL != "" && v.checks.CEL != nil {
			if err := v.checks.CEL(e.CEL); err != nil {
				v.fail(path+".cel", "%v", err)
			}
		}
	}
}

func (v *validator) client(path, name string) {
	names := make([]string, 0, len(v.s.Clients))
	for _, c := range v.s.Clients {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		names = []string{"client"}
	}
	if !contains(names, name) {
		v.fail(path, "no client %s%s", quote(name), didYouMean(name, names))
	}
}

// window checks when an expectation has to hold.
func (v *validator) window(path string, e Expectation) {
	first := ""
	for _, field := range []string{"at", "during", "after"} {
		switch {
		case !v.in.Has(join(path, field)):
		case first == "":
			first = field
		default:
			v.fail(join(path, field), "%s and %s exclude each other", first, field)
		}
	}
	for _, field := range []string{"within", "for"} {
		if e.After == nil && v.in.Has(join(path, field)) {
			v.fail(join(path, field), "%s belongs to after", field)
		}
	}
	if v.in.Has(path + ".during") {
		if len(e.During) != 2 {
			v.fail(path+".during", "expected two times, [from, to], found %d", len(e.During))
		} else if e.During[0] >= e.During[1] {
			v.fail(path+".during", "%s is not before %s", e.During[0], e.During[1])
		}
	}
	if !v.bad["duration"] && v.s.Duration > 0 && e.end() > v.s.Duration {
		v.fail(join(path, first), "lasts to %s, after the end of the drill (duration %s)", e.end(), v.s.Duration)
	}
}

// something checks that an expectation expects anything, and that an instant can have it.
func (v *validator) something(path string) {
	none := true
	for _, field := range expectationFields {
		if !v.in.Has(join(path, field)) {
			continue
		}
		none = false
		if v.in.Has(path+".at") && field != "endpoint" && field != "cel" {
			v.fail(join(path, field), "%s needs a stretch of time; give during or after instead of at", field)
		}
		if field == "outcome" && (v.in.Has(path+".during") || v.in.Has(path+".after")) {
			v.fail(join(path, field), "outcome is of the whole drill; give it without during and after")
		}
	}
	if none {
		v.fail(path, "expects nothing; give one of %s", strings.Join(expectationFields, ", "))
	}
}

// shares checks who is named, and that the least shares fit into the whole.
func (v *validator) shares(path string, shares map[string]Bound) {
	sums := map[string]float64{}
	for _, key := range sorted(shares) {
		b, at := shares[key], join(path, key)
		if !b.Percent {
			v.fail(at, "expected a percentage, found %s; write %s%%", quote(b.Text), strings.TrimSuffix(b.Text, "%"))
			continue
		}
		kind, value, ok := strings.Cut(key, ":")
		switch {
		case !ok:
			kind = "upstream"
			v.upstream(at, key)
		case kind == "locality":
			v.localityKey(at, value)
		case kind == "priority":
			if n, err := strconv.Atoi(value); err != nil || n < 0 {
				v.fail(at, "expected priority:0, priority:1, ..., found %s", quote(key))
			}
		default:
			v.fail(at, "expected an upstream, locality:region/zone or priority:0, found %s", quote(key))
		}
		sums[kind] += b.Min
	}
	for _, kind := range sorted(sums) {
		if sums[kind] > 100 {
			v.fail(path, "the shares add up to %s%%, more than 100%%", strconv.FormatFloat(sums[kind], 'f', -1, 64))
		}
	}
}

// localityKey checks that an endpoint is in the locality.
func (v *validator) localityKey(path, locality string) {
	if !v.read(partConfig, "timeline") {
		return
	}
	for _, l := range v.localities {
		if l == locality || strings.HasPrefix(l, locality+"/") {
			return
		}
	}
	v.fail(path, "no endpoint is in the locality %s%s", quote(locality), didYouMean(locality, v.localities))
}

// counts checks the keys of what is counted, and that plain counts are not percentages.
func (v *validator) counts(path string, e Expectation) {
	for _, status := range sorted(e.Statuses) {
		n, err := strconv.Atoi(status)
		if err != nil || n != 0 && (n < 100 || n > 599) {
			v.fail(join(path+".statuses", status), "expected an HTTP status from 100 to 599, or 0 for no answer, found %s", quote(status))
		}
	}
	for _, flag := range sorted(e.Flags) {
		if !contains(responseFlags, flag) {
			v.fail(join(path+".flags", flag), "unknown response flag %s%s", quote(flag), didYouMean(flag, responseFlags))
		}
	}
	for _, name := range sorted(e.Attempts) {
		v.upstream(join(path+".attempts", name), name)
		v.count(join(path+".attempts", name), e.Attempts[name])
	}
	for _, name := range sorted(e.Events) {
		at := join(path+".events", name)
		v.upstream(at, name)
		counts := e.Events[name]
		for _, c := range []struct {
			field string
			bound *Bound
		}{{"ejected", counts.Ejected}, {"returned", counts.Returned}, {"overflow", counts.Overflow}} {
			if c.bound != nil {
				v.count(join(at, c.field), *c.bound)
			}
		}
	}
	if e.Requests != nil {
		v.count(path+".requests", *e.Requests)
	}
}

// count checks a bound that cannot be a percentage.
func (v *validator) count(path string, b Bound) {
	if b.Percent {
		v.fail(path, "expected a number, found the percentage %s", quote(b.Text))
	}
}

func (v *validator) endpoint(path string, e Expectation) {
	if e.Endpoint == nil {
		return
	}
	s, at := e.Endpoint, path+".endpoint"
	if e.At == nil {
		v.fail(at, "endpoint needs at, the instant to look at")
	}
	v.upstream(at+".upstream", s.Upstream)
	if s.Status == "" && s.OutlierCheck == "" && s.Priority == nil && s.Ejections == nil {
		v.fail(at, "expects nothing; give one of status, outlierCheck, priority, ejections")
	}
	if s.Priority != nil && *s.Priority < 0 {
		v.fail(at+".priority", "expected 0 or more, found %d", *s.Priority)
	}
	if s.Ejections != nil {
		v.count(at+".ejections", *s.Ejections)
	}
}
