package schedule

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Drill is a scenario together with what it was made from, so that it can be
// made again with another profile or another configuration.
type Drill struct {
	Name    string
	Input   *scenario.Input // with its defaults written out
	Profile istio.Profile
	Seed    uint64

	// Configs are the Istio resources at 0 s and after each configuration step,
	// in the order of Schedule.Configs.
	Configs   [][]*istio.Resource
	Assumed   []string // what was assumed where the input says nothing
	Generated bool     // made from plain Istio YAML

	// Patched has the text of objects that differ from the input's documents,
	// by PatchKey.
	Patched map[string]string

	shared *shared // nil: nothing
}

// PatchKey is the key of Drill.Patched: which configuration, and which object.
func PatchKey(config int, id string) string { return strconv.Itoa(config) + " " + id }

// Compiled is a drill with its configuration translated.
type Compiled struct {
	*Drill
	Schedule     *Schedule
	Translations [][]istio.Translation // by configuration, then client
}

// Options are what the command line decides.
type Options struct {
	Profile *istio.Profile // nil: the scenario's own
	Seed    uint64         // 0: 1
}

// New makes a drill of a scenario.
func New(in *scenario.Input, o Options) (*Drill, error) {
	scenario.Defaults(in)
	d := &Drill{Name: in.Name, Input: in, Seed: o.Seed}
	if d.Seed == 0 {
		d.Seed = 1
	}
	if o.Profile != nil {
		d.Profile = *o.Profile
	} else {
		p, err := istio.ParseProfile(in.Scenario.Spec.Profile)
		if err != nil {
			return nil, scenario.Problems{{Pos: in.Where("spec.profile"), Message: err.Error()}}
		}
		d.Profile = p
	}
	d.Configs = [][]*istio.Resource{in.Resources}
	for i := range in.Scenario.Spec.Timeline {
		if st := &in.Scenario.Spec.Timeline[i]; st.ChangesConfiguration() {
			d.Configs = append(d.Configs, in.After(i))
		}
	}
	return d, nil
}

// Compile translates the configuration and fixes everything that is left open.
func (d *Drill) Compile() *Compiled {
	spec := &d.Input.Scenario.Spec
	s := &Schedule{
		Schema: Schema, Name: d.Name, Profile: d.Profile, Seed: d.Seed, Scale: 1, Duration: trace.Sec(spec.Duration),
		Steps: []Step{}, Observe: []trace.Sec{}, MeshConfig: meshConfigOf(spec.Mesh),
	}
	c := &Compiled{Drill: d, Schedule: s}
	for i := range spec.Clients {
		s.Clients = append(s.Clients, newClient(&spec.Clients[i], spec.Duration))
	}
	for i := range spec.Upstreams {
		s.Upstreams = append(s.Upstreams, newUpstream(&spec.Upstreams[i], i))
	}
	for i, res := range d.Configs {
		var cfgs []xds.Config
		var ts []istio.Translation
		for j := range spec.Clients {
			t := d.shared.translate(res, clientOf(&spec.Clients[j]), meshOf(spec.Mesh), d.Profile)
			cfg := t.Config
			if d.Generated {
				cfg = reached(&cfg, s.Clients[j].Load.Host)
			}
			cfgs, ts = append(cfgs, cfg), append(ts, t)
		}
		s.Configs, c.Translations = append(s.Configs, cfgs), append(c.Translations, ts)
		s.Documents = append(s.Documents, d.shared.documents(d, i))
	}
	config := 0
	for i := range spec.Timeline {
		st := newStep(spec, s.Upstreams, i)
		if st.Kind == KindConfig {
			config++
			st.Config = config
		}
		s.Steps = append(s.Steps, st)
	}
	s.Observe = observations(spec)
	for i := range s.Upstreams {
		if t := spec.Upstreams[i].TLS; t != nil {
			s.Upstreams[i].TLS = newTLS(t)
		} else {
			s.Upstreams[i].TLS = s.expectedTLS(&s.Upstreams[i])
		}
	}
	return c
}

// documents is the YAML of one configuration, one text an object.
func (d *Drill) documents(config int) []Document {
	// Several objects can stand on one line: a list in JSON.
	type place struct {
		file                  string
		line                  int
		kind, namespace, name string
	}
	texts := map[place]string{}
	for i := range d.Input.Documents {
		doc := &d.Input.Documents[i]
		texts[place{doc.File, doc.Line, doc.Kind, doc.Namespace, doc.Name}] = doc.YAML
	}
	out := []Document{}
	for _, r := range d.Configs[config] {
		doc := Document{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, File: r.Pos.File, Line: r.Pos.Line}
		doc.YAML = texts[place{doc.File, doc.Line, doc.Kind, doc.Namespace, doc.Name}]
		if text, ok := d.Patched[PatchKey(config, r.ID())]; ok {
			doc.YAML = text
		}
		out = append(out, doc)
	}
	return out
}

// clientOf is the client as the translation sees it: with the labels that its
// node and its pod give it.
func clientOf(c *scenario.Client) istio.Client {
	return istio.Client{Name: c.Name, Namespace: c.Namespace, Locality: c.Loc(), Labels: c.Labels}
}

func meshOf(m *scenario.Mesh) istio.Mesh {
	if m == nil {
		return istio.Mesh{}
	}
	out := istio.Mesh{ConnectTimeout: time.Duration(m.ConnectTimeout), LocalityEnabled: m.LocalityFailover}
	for _, f := range m.Failover {
		out.Failover = append(out.Failover, istio.Failover{From: f.From, To: f.To})
	}
	// Two attempts are Istio's own policy; anything else replaces it.
	if n := m.DefaultRetryAttempts; n != nil && *n != 2 {
		out.DefaultRetryAttempts = n
	}
	return out
}

// istiosTimeout is MeshConfig's default of connectTimeout.
const istiosTimeout = 10 * time.Second

// meshConfigOf is the same as istiod reads it (istio.mesh.v1alpha1.MeshConfig), without
// what is its default: a cluster whose mesh is as installed plays the drill.
func meshConfigOf(m *scenario.Mesh) map[string]any {
	if m == nil {
		return nil
	}
	out, locality := map[string]any{}, map[string]any{}
	if m.ConnectTimeout > 0 && time.Duration(m.ConnectTimeout) != istiosTimeout {
		out["connectTimeout"] = time.Duration(m.ConnectTimeout).String()
	}
	if m.LocalityFailover != nil && !*m.LocalityFailover {
		locality["enabled"] = *m.LocalityFailover
	}
	var failover []any
	for _, f := range m.Failover {
		failover = append(failover, map[string]any{"from": f.From, "to": f.To})
	}
	if failover != nil {
		locality["failover"] = failover
	}
	if len(locality) > 0 {
		out["localityLbSetting"] = locality
	}
	if n := meshOf(m).DefaultRetryAttempts; n != nil {
		out["defaultHttpRetryPolicy"] = map[string]any{"attempts": *n}
	}
	return out
}

func newClient(c *scenario.Client, duration scenario.Duration) Client {
	t := &c.Traffic
	l := Load{
		URL: t.URL, Method: t.Method, Headers: t.Headers, Start: trace.Sec(t.Start), Every: trace.Sec(t.Every),
		KeepAlive: t.KeepAlive == nil || *t.KeepAlive, Concurrency: t.Concurrency, Timeout: trace.Sec(t.Timeout),
	}
	if t.Rate.N > 0 {
		l.Every = trace.Sec(math.Round(float64(t.Rate.Per) / t.Rate.N))
	}
	if u, err := url.Parse(t.URL); err == nil {
		l.Host, l.Path, l.Port = u.Hostname(), u.RequestURI(), 80
		if u.Scheme == "https" {
			l.Port = 443
		}
		if p, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			l.Port = uint32(p)
		}
	}
	// As many as the duration holds: the last one is due before the end.
	l.Count = t.Count
	if left := trace.Sec(duration) - l.Start; l.Every > 0 {
		fits := 0
		if left > 0 {
			fits = int((left + l.Every - 1) / l.Every)
		}
		if l.Count == 0 || l.Count > fits {
			l.Count = fits
		}
	}
	return Client{Name: c.Name, Namespace: c.Namespace, Locality: c.Loc(), Labels: c.Labels, Load: l}
}

// names resolve to addresses of the block that is reserved for benchmarks
// (RFC 2544): no user's endpoint lies there. Upstream i gets 198.18.i.1 and on.
func newUpstream(u *scenario.Upstream, i int) Upstream {
	out := Upstream{Name: u.Name, Address: u.Address, Latency: trace.Sec(u.Latency), Ports: []uint32{}, IPs: []netip.Addr{}}
	for _, p := range u.Ports {
		out.Ports = append(out.Ports, uint32(p))
	}
	if ip, err := netip.ParseAddr(u.Address); err == nil {
		out.IPs = append(out.IPs, ip)
		return out
	}
	for k := range max(1, u.Addresses) {
		out.IPs = append(out.IPs, netip.AddrFrom4([4]byte{198, 18 + byte(i>>8), byte(i), byte(k + 1)}))
	}
	if u.TTL != nil {
		out.TTL = trace.Sec(*u.TTL)
	}
	return out
}

func newStep(spec *scenario.Spec, upstreams []Upstream, i int) Step {
	in := &spec.Timeline[i]
	st := Step{At: trace.Sec(in.At), Name: in.Name, Entry: i}
	switch {
	case in.Apply != "":
		st.Kind = KindConfig
		st.Name = orDefault(st.Name, ApplyName(in.Apply))
	case in.Patch != nil:
		st.Kind = KindConfig
		st.Name = orDefault(st.Name, "patch "+in.Patch.Object())
	case in.Delete != "":
		st.Kind = KindConfig
		st.Name = orDefault(st.Name, "delete "+in.Delete)
	case in.Heal != "":
		st.Kind, st.Heal = KindHeal, in.Heal
		st.Name = orDefault(st.Name, "heal "+in.Heal)
	case in.Restart != "":
		st.Kind, st.Restart = KindRestart, in.Restart
		st.Name = orDefault(st.Name, "restart "+in.Restart)
	case in.Fault != nil:
		st.Kind, st.Fault = KindFault, newFault(spec, upstreams, in.Fault)
		st.Name = orDefault(st.Name, "fault "+in.Fault.Name)
	}
	return st
}

// ApplyName names a step that applies a file or folder and has no name of its own.
func ApplyName(path string) string { return "apply " + path }

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func newFault(spec *scenario.Spec, upstreams []Upstream, f *scenario.Fault) *Fault {
	out := &Fault{
		Name: f.Name, Percentage: f.Percentage, First: f.First, EveryNth: f.EveryNth, For: trace.Sec(f.For), Path: f.Path, Headers: f.Headers,
		Port:     uint32(f.Port),
		Upstream: int32(f.Target(spec.Upstreams)),
	}
	if f.DNS != "" && out.Upstream >= 0 {
		out.DNS = upstreams[out.Upstream].Address
	}
	switch {
	case f.Status != 0:
		out.Behaviour, out.Status = Status, f.Status
	case f.Delay != 0:
		out.Behaviour, out.Delay, out.Jitter = Delay, trace.Sec(f.Delay), trace.Sec(f.Jitter)
	case f.Refuse:
		out.Behaviour = Refuse
	case f.Blackhole:
		out.Behaviour = Blackhole
	case f.Pause:
		out.Behaviour = Pause
	case f.Stop:
		out.Behaviour = Stop
	case f.Partition != "":
		out.Behaviour, out.Partition = Partition, f.Partition
	case f.Reset:
		out.Behaviour = Reset
	case f.Hang != "":
		out.Behaviour, out.Hang = Hang, f.Hang
	case f.SlowBody != 0:
		out.Behaviour, out.SlowBody = SlowBody, trace.Sec(f.SlowBody)
	case f.CloseAfter != 0:
		out.Behaviour, out.CloseAfter = CloseAfter, f.CloseAfter
	case f.TLS != "":
		out.Behaviour, out.TLS = TLSFault, f.TLS
	case f.Answer != "":
		out.Behaviour, out.Answer = Answer, f.Answer
	case len(f.Addresses) > 0:
		out.Behaviour, out.Addresses = Addresses, addressesOf(upstreams, f.Addresses)
		if f.TTL != nil {
			out.TTL = trace.Sec(*f.TTL)
		}
	}
	return out
}

// addressesOf are IPs, and all those of upstreams that are named.
func addressesOf(upstreams []Upstream, words []string) []netip.Addr {
	var ips []netip.Addr
	for _, w := range words {
		if ip, err := netip.ParseAddr(w); err == nil {
			ips = append(ips, ip)
			continue
		}
		for i := range upstreams {
			if upstreams[i].Name == w {
				ips = append(ips, upstreams[i].IPs...)
			}
		}
	}
	return ips
}

// endpointCall finds the instants that expressions read endpoints at.
var endpointCall = regexp.MustCompile(`endpoint\(\s*['"][^'"]*['"]\s*,\s*['"]([^'"]+)['"]`)

// observations are the instants at which somebody wants to see the endpoints:
// those that expectations name, just before the first step, and the end.
func observations(spec *scenario.Spec) []trace.Sec {
	at := []trace.Sec{trace.Sec(spec.Duration)}
	if len(spec.Timeline) > 0 && spec.Timeline[0].At > 0 {
		at = append(at, trace.Sec(spec.Timeline[0].At)-1)
	}
	for _, e := range spec.Expect {
		if e.At != nil {
			at = append(at, trace.Sec(*e.At))
		}
		for _, m := range endpointCall.FindAllStringSubmatch(e.CEL, -1) {
			if d, err := time.ParseDuration(m[1]); err == nil && d >= 0 && d <= time.Duration(spec.Duration) {
				at = append(at, trace.Sec(d))
			}
		}
	}
	slices.Sort(at)
	return slices.Compact(at)
}

var answerWords = map[string]string{
	"NXDOMAIN": "resolves to nothing (NXDOMAIN)", "NODATA": "resolves to nothing (NODATA)", "SERVFAIL": "does not resolve (SERVFAIL)",
	"REFUSED": "does not resolve (REFUSED)", "timeout": "does not resolve (the DNS does not answer)",
}

var tlsWords = map[string]string{
	TLSExpired: "shows an expired certificate", TLSWrongName: "shows a certificate for another name",
	TLSUnknownIssuer: "shows a certificate of a CA that nobody trusts", TLSClientCertificate: "turns clients without a certificate away",
	TLSPlaintext: "answers without TLS",
}

var partitionWords = map[string]string{
	PartitionDrop: "is cut off (packets are dropped)", PartitionReject: "is cut off (packets are rejected)",
}

// FaultWords says what a fault does, for the first line of a drill.
func FaultWords(f *Fault) string {
	switch f.Behaviour {
	case Status:
		return fmt.Sprintf("answers %d", f.Status)
	case Delay:
		return "answers late by " + f.Delay.D().String()
	case Refuse:
		return "refuses connections"
	case Blackhole:
		return "drops packets"
	case Pause:
		return "stands still"
	case Stop:
		return "is stopped"
	case Partition:
		return partitionWords[f.Partition]
	case Reset:
		return "resets connections"
	case Hang:
		if f.Hang == "body" {
			return "hangs in the body"
		}
		return "hangs before the headers"
	case SlowBody:
		return "drips the body"
	case CloseAfter:
		return fmt.Sprintf("closes connections after %d requests", f.CloseAfter)
	case TLSFault:
		return tlsWords[f.TLS]
	case Answer:
		return answerWords[f.Answer]
	case Addresses:
		ips := make([]string, len(f.Addresses))
		for i, ip := range f.Addresses {
			ips[i] = ip.String()
		}
		return "resolves to " + strings.Join(ips, ", ")
	}
	return f.Behaviour
}
