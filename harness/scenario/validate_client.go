package scenario

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxConcurrency is the most requests that one client may have in flight.
const maxConcurrency = 100_000

var (
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110, 5.6.2
	method     = regexp.MustCompile(`^[A-Z]+$`)
)

func (v *validator) clients() {
	if len(v.s.Clients) == 0 && len(v.in.Resources) > 0 && v.read("clients", partConfig, "timeline") && DefaultURL(v.in.Resources) == "" {
		v.problems.add(v.in.Where("spec"), "spec.clients is required: the configuration has no ServiceEntry with an HTTP port that a default client could ask")
	}
	seen := map[string]string{}
	for i, c := range v.s.Clients {
		path := index("spec.clients", i)
		if v.bad[path] {
			continue
		}
		v.name(path+".name", c.Name)
		v.uniqueName(path+".name", c.Name, seen)
		if c.Namespace != "" {
			v.name(path+".namespace", c.Namespace)
		}
		v.labels(path+".labels", c.Labels)
		v.labels(path+".nodeLabels", c.NodeLabels)
		v.locality(path, c)
		v.traffic(path+".traffic", c.Traffic)
	}
}

func (v *validator) locality(path string, c Client) {
	if c.Locality != "" && c.NodeLabels != nil {
		v.fail(path+".nodeLabels", "locality and nodeLabels exclude each other")
		return
	}
	if v.in.Has(path+".locality") && !isLocality(c.Locality) {
		v.fail(path+".locality", "expected region[/zone[/subzone]], found %s", quote(c.Locality))
	}
	if len(c.NodeLabels) == 0 || c.Loc().Region != "" {
		return
	}
	for _, key := range sorted(c.NodeLabels) {
		if near := nearest(key, []string{regionLabel, oldRegionLabel}); near != "" {
			v.fail(join(path+".nodeLabels", key), "unknown label %s; did you mean %q?", quote(key), near)
			return
		}
	}
	v.fail(path+".nodeLabels", "no label gives the region; expected %s", regionLabel)
}

// isLocality accepts one to three parts, none of them empty.
func isLocality(s string) bool {
	parts := strings.Split(s, "/")
	return len(parts) <= 3 && !slices.Contains(parts, "") && !strings.ContainsAny(s, " \t\n")
}

func (v *validator) traffic(path string, t Traffic) {
	if !t.Rate.IsZero() && v.in.Has(path+".every") {
		v.fail(path+".rate", "every and rate exclude each other")
	}
	v.positive(path+".every", t.Every)
	v.positive(path+".timeout", t.Timeout)
	v.atLeastOne(path+".count", t.Count)
	v.atLeastOne(path+".concurrency", t.Concurrency)
	if t.Concurrency > maxConcurrency {
		v.fail(path+".concurrency", "expected at most %d, found %d", maxConcurrency, t.Concurrency)
	}
	if v.read("duration", "timeline", "expect") && t.Start > 0 && t.Start >= v.length {
		v.fail(path+".start", "%s is not before the end of the drill (%s)", t.Start, v.length)
	}
	if v.in.Has(path+".method") && !method.MatchString(t.Method) {
		v.fail(path+".method", "expected an HTTP method such as GET, found %s", quote(t.Method))
	}
	v.headers(path+".headers", t.Headers)
	v.url(path, t.URL)
}

func (v *validator) headers(path string, headers map[string]string) {
	for _, name := range sorted(headers) {
		if !headerName.MatchString(name) {
			v.fail(join(path, name), "%s is not a header name", quote(name))
		}
		if strings.ContainsAny(headers[name], "\r\n\x00") {
			v.fail(join(path, name), "a header value has no line breaks")
		}
	}
}

// url checks that a client asks for something that the configuration has.
func (v *validator) url(path, text string) {
	configured := v.read(partConfig, "timeline")
	if text == "" {
		if configured && DefaultURL(v.in.Resources) == "" {
			v.fail(path, "url is required: the configuration has no ServiceEntry with an HTTP port")
		}
		return
	}
	path += ".url"
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		v.fail(path, "expected http://host/ or https://host/, found %s", quote(text))
		return
	}
	if !configured {
		return
	}
	ports := v.portsOfHost(canonical(u.Hostname()))
	if ports == nil {
		v.fail(path, "no ServiceEntry has the host %s%s", quote(u.Hostname()), didYouMean(u.Hostname(), v.hostNames()))
		return
	}
	want := u.Port()
	if want == "" {
		want = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if !contains(ports, want) {
		v.fail(path, "%s has no port %s; expected %s", u.Hostname(), want, strings.Join(ports, " or "))
	}
}

// portsOfHost is the ports of all ServiceEntries for the host; nil if there is none.
func (v *validator) portsOfHost(host string) []string {
	var ports []string
	known := false
	for _, h := range v.hosts {
		wild, isWild := strings.CutPrefix(h.host, "*")
		if h.host != host && !(isWild && strings.HasSuffix(host, wild)) {
			continue
		}
		known = true
		for _, p := range h.ports {
			if s := strconv.Itoa(p); !contains(ports, s) {
				ports = append(ports, s)
			}
		}
	}
	if known && ports == nil {
		return []string{}
	}
	return ports
}

func (v *validator) hostNames() []string {
	var names []string
	for _, h := range v.hosts {
		if !contains(names, h.host) {
			names = append(names, h.host)
		}
	}
	return names
}
