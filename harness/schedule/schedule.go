// Package schedule is a drill with nothing left to decide.
//
// New turns a scenario and its Istio YAML into the configuration that every
// proxy has at every moment, the addresses at which the upstreams answer, the
// load, and the steps at their offsets:
//
//	s, err := schedule.New(input, profile, seed)
//	tr := engine.Play(s)                 // or any backend
//	err = s.Save(w)                      // schedule.json: the run can be repeated from it alone
//
// It leaves out how the steps are carried out; that is the backends' work.
package schedule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Schema is the version of schedule.json.
const Schema = "faildrill.dev/schedule/v1"

// Schedule is what a backend plays. It is a plain value and is not changed by playing it.
type Schedule struct {
	Schema   string        `json:"schema"`
	Name     string        `json:"name"`
	Profile  istio.Profile `json:"profile"`
	Seed     uint64        `json:"seed"`
	Scale    float64       `json:"scale"` // 1: as written; 10: ten times as fast
	Duration trace.Sec     `json:"duration"`

	Clients   []Client   `json:"clients"`
	Upstreams []Upstream `json:"upstreams"`
	Steps     []Step     `json:"steps"` // in order of time
	// Configs has one configuration for every client: at 0 s, and after each
	// step of kind config. Step.Config says which.
	Configs [][]xds.Config `json:"configs"`
	// Observe are the instants at which the endpoint table is recorded.
	Observe []trace.Sec `json:"observe"`
	// Documents is the Istio YAML itself, for backends that have a control
	// plane: all of it at 0 s, and after each step of kind config.
	Documents [][]Document `json:"documents"`
	// MeshConfig is what the scenario says of Istio's MeshConfig, spelled as there.
	MeshConfig map[string]any `json:"meshConfig,omitempty"`
}

// Document is one Istio object as text.
type Document struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	YAML      string `json:"yaml"`
}

// Client is one client with its load.
type Client struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Locality  xds.Locality      `json:"locality"`
	Labels    map[string]string `json:"labels,omitempty"`
	Load      Load              `json:"load"`
}

// Load is an open loop of requests.
type Load struct {
	URL         string            `json:"url"`
	Host        string            `json:"host"` // without the port
	Port        uint32            `json:"port"`
	Path        string            `json:"path"`
	Method      string            `json:"method"`
	Headers     map[string]string `json:"headers,omitempty"`
	Start       trace.Sec         `json:"start"`
	Every       trace.Sec         `json:"every"`
	Count       int               `json:"count"` // how many are sent in all
	KeepAlive   bool              `json:"keepAlive"`
	Concurrency int               `json:"concurrency"`
	Timeout     trace.Sec         `json:"timeout"`
}

// Due is when the n-th request, from 0, is due.
func (l *Load) Due(n int) trace.Sec { return l.Start + trace.Sec(n)*l.Every }

// Upstream is a fake server with its addresses.
type Upstream struct {
	Name    string       `json:"name"`
	Address string       `json:"address"` // as in the configuration
	IPs     []netip.Addr `json:"ips"`     // what the address resolves to
	Ports   []uint32     `json:"ports"`
	Latency trace.Sec    `json:"latency"`
	TTL     trace.Sec    `json:"ttl,omitempty"` // of the DNS name
	TLS     *TLS         `json:"tls,omitempty"` // nil: no port speaks TLS
}

// TLS is what an upstream shows to clients that begin TLS. Its certificate is
// valid, and of the CA that all proxies trust.
type TLS struct {
	Ports []uint32 `json:"ports"`
	Names []string `json:"names"` // of the certificate: DNS names, IPs, URIs
	// ClientCertificate is set when clients must show one.
	ClientCertificate bool `json:"clientCertificate,omitempty"`
}

// Speaks reports whether the port speaks TLS when nothing is broken.
func (t *TLS) Speaks(port uint32) bool { return t != nil && slices.Contains(t.Ports, port) }

// Listens reports whether the upstream listens on the port when nothing is broken.
func (u *Upstream) Listens(port uint32) bool {
	for _, p := range u.Ports {
		if p == port {
			return true
		}
	}
	return false
}

// Kinds of Step.
const (
	KindConfig = "config"
	KindFault  = "fault"
	KindHeal   = "heal"
	// KindRestart changes nothing of what proxies do: it is about the control plane.
	KindRestart = "restart"
)

// Istiod is what a step of kind restart restarts.
const Istiod = "istiod"

// Step is one entry of the timeline.
type Step struct {
	At     trace.Sec `json:"at"`
	Kind   string    `json:"kind"`
	Name   string    `json:"name"`
	Config int       `json:"config,omitempty"` // kind config: index into Configs
	Fault  *Fault    `json:"fault,omitempty"`  // kind fault
	Heal   string    `json:"heal,omitempty"`   // kind heal: name of the fault
	// Restart is what is restarted, for kind restart: Istiod.
	Restart string `json:"restart,omitempty"`
	// Entry is the index in the scenario's timeline, -1 for a step that the
	// planner made.
	Entry int `json:"entry"`
}

// Behaviours of a Fault, spelled as in the scenario format.
const (
	Status     = "status"
	Delay      = "delay"
	Refuse     = "refuse"
	Blackhole  = "blackhole"
	Pause      = "pause"
	Stop       = "stop"
	Partition  = "partition"
	Reset      = "reset"
	Hang       = "hang"
	SlowBody   = "slowBody"
	CloseAfter = "closeAfter"
	TLSFault   = "tls"
	Answer     = "answer"    // of the DNS
	Addresses  = "addresses" // of the DNS
)

// What a fault of kind Partition does with packets, spelled as in the scenario format.
const (
	PartitionDrop   = "drop"
	PartitionReject = "reject"
)

// What a fault of kind TLSFault does, spelled as in the scenario format.
const (
	TLSExpired           = "expired"
	TLSWrongName         = "wrongName"
	TLSUnknownIssuer     = "unknownIssuer"
	TLSClientCertificate = "clientCertificateRequired"
	TLSPlaintext         = "plaintext"
)

// WrongName is the only name of the certificate that the fault TLSWrongName shows.
const WrongName = "wrong.name.invalid"

// Fault is what one upstream does wrong, or what the DNS says about its name.
type Fault struct {
	Name       string            `json:"name"`
	Upstream   int32             `json:"upstream"`
	Behaviour  string            `json:"behaviour"`
	Status     int               `json:"status,omitempty"`
	Delay      trace.Sec         `json:"delay,omitempty"`
	Jitter     trace.Sec         `json:"jitter,omitempty"`
	Hang       string            `json:"hang,omitempty"` // headers or body
	SlowBody   trace.Sec         `json:"slowBody,omitempty"`
	CloseAfter int               `json:"closeAfter,omitempty"`
	TLS        string            `json:"tls,omitempty"` // TLSExpired and the others
	Partition  string            `json:"partition,omitempty"`
	Percentage float64           `json:"percentage"` // 100: every request
	First      int               `json:"first,omitempty"`
	EveryNth   int               `json:"everyNth,omitempty"`
	For        trace.Sec         `json:"for,omitempty"`
	Path       string            `json:"path,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Port       uint32            `json:"port,omitempty"`

	DNS       string       `json:"dns,omitempty"`       // the name, for the behaviours answer and addresses
	Answer    string       `json:"answer,omitempty"`    // NXDOMAIN, NODATA, SERVFAIL, REFUSED or timeout
	Addresses []netip.Addr `json:"addresses,omitempty"` // what the name resolves to instead
	TTL       trace.Sec    `json:"ttl,omitempty"`       // of these
}

// IsDNS reports whether the DNS has the fault, and not the upstream.
func (f *Fault) IsDNS() bool { return f.Behaviour == Answer || f.Behaviour == Addresses }

// StandsStill reports whether the server does nothing while it has the fault: it
// can be told of nothing else then.
func (f *Fault) StandsStill() bool { return f.Behaviour == Pause || f.Behaviour == Stop }

// Holds reports whether connections that are there stay and are silent until the
// fault ends.
func (f *Fault) Holds() bool {
	return f.Behaviour == Pause || f.Behaviour == Partition && f.Partition == PartitionDrop
}

// MeetsConnections reports whether the fault shows on a connect, without a request.
func (f *Fault) MeetsConnections() bool {
	switch f.Behaviour {
	case Refuse, Blackhole, TLSFault, Pause, Stop, Partition:
		return true
	}
	return false
}

// Save writes the schedule as JSON.
func (s *Schedule) Save(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(s)
}

// Read reads what Save wrote, and checks that its references hold.
func Read(r io.Reader) (*Schedule, error) {
	var s Schedule
	d := json.NewDecoder(r)
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("reading the schedule: %w", err)
	}
	if s.Schema != Schema {
		return nil, fmt.Errorf("reading the schedule: schema %q; expected %q", s.Schema, Schema)
	}
	return &s, s.validate()
}

func (s *Schedule) validate() error {
	if len(s.Configs) == 0 || len(s.Documents) != len(s.Configs) {
		return fmt.Errorf("the schedule has %d configurations and %d sets of documents; expected the same number, at least one", len(s.Configs), len(s.Documents))
	}
	for i, c := range s.Configs {
		if len(c) != len(s.Clients) {
			return fmt.Errorf("configuration %d is for %d clients; expected %d", i, len(c), len(s.Clients))
		}
		for j := range c {
			if err := validConfig(&c[j], s.Duration); err != nil {
				return fmt.Errorf("configuration %d: %w", i, err)
			}
		}
	}
	for i := range s.Clients {
		if l := &s.Clients[i].Load; l.Every <= 0 && l.Count > 1 || l.Count < 0 || l.Concurrency < 0 {
			return fmt.Errorf("client %d: its load of %d requests, one every %v, cannot be sent", i, l.Count, l.Every.D())
		}
	}
	if s.Duration <= 0 || s.Duration > longest || !(s.Scale > 0) {
		return fmt.Errorf("the schedule lasts %v at scale %v; expected more than 0s, at most 24h, and a positive scale", s.Duration.D(), s.Scale)
	}
	for i := range s.Upstreams {
		if ttl := s.Upstreams[i].TTL; ttl < 0 {
			return fmt.Errorf("upstream %d: a TTL of %v", i, ttl.D())
		}
	}
	last := trace.Sec(0)
	for i, st := range s.Steps {
		switch {
		case st.At < last:
			return fmt.Errorf("step %d is at %v, before the one ahead of it", i, st.At.D())
		case st.At > longest:
			return fmt.Errorf("step %d is at %v, after any drill ends", i, st.At.D())
		case st.Kind == KindConfig && (st.Config < 0 || st.Config >= len(s.Configs)):
			return fmt.Errorf("step %d refers to configuration %d of %d", i, st.Config, len(s.Configs))
		case st.Kind == KindFault && (st.Fault == nil || st.Fault.Upstream < 0 || int(st.Fault.Upstream) >= len(s.Upstreams)):
			return fmt.Errorf("step %d has a fault of no upstream", i)
		case st.Kind == KindFault && st.Fault.IsDNS() && st.Fault.DNS == "":
			return fmt.Errorf("step %d has a fault of the DNS and no name", i)
		case st.Kind == KindFault && st.Fault.Behaviour == TLSFault && tlsWords[st.Fault.TLS] == "":
			return fmt.Errorf("step %d has the unknown TLS fault %q", i, st.Fault.TLS)
		case st.Kind == KindFault && st.Fault.Behaviour == Partition && partitionWords[st.Fault.Partition] == "":
			return fmt.Errorf("step %d has the unknown partition %q", i, st.Fault.Partition)
		case st.Kind == KindRestart && st.Restart != Istiod:
			return fmt.Errorf("step %d restarts the unknown %q", i, st.Restart)
		case st.Kind == KindFault && st.Fault.TTL < 0:
			return fmt.Errorf("step %d has a TTL of %v", i, st.Fault.TTL.D())
		case st.Kind == KindFault && st.Fault.Behaviour == Answer && answerWords[st.Fault.Answer] == "":
			return fmt.Errorf("step %d has the unknown answer %q", i, st.Fault.Answer)
		case st.Kind != KindConfig && st.Kind != KindFault && st.Kind != KindHeal && st.Kind != KindRestart:
			return fmt.Errorf("step %d has the unknown kind %q", i, st.Kind)
		}
		last = st.At
	}
	return nil
}

const (
	longest        = trace.Sec(24 * time.Hour)         // of all drills
	mostTicks      = 24 * time.Hour / time.Millisecond // of outlier detection: Istio's shortest interval
	mostPriorities = 129                               // Envoy's own bound
)

// validConfig checks what the engine relies on.
func validConfig(c *xds.Config, duration trace.Sec) error {
	for i := range c.Clusters {
		k := &c.Clusters[i]
		if od := k.OutlierDetection; od != nil && (od.Interval <= 0 || duration.D()/od.Interval > mostTicks || od.BaseEjectionTime < 0 || od.MaxEjectionTime < 0 || od.MaxEjectionTimeJitter < 0) {
			return fmt.Errorf("cluster %s: an outlier detection interval of %v with ejections of %v to %v", k.Name, od.Interval, od.BaseEjectionTime, od.MaxEjectionTime)
		}
		if k.ConnectTimeout < 0 || k.UpdateMergeWindow < 0 || k.OverprovisioningFactor == 0 {
			return fmt.Errorf("cluster %s: negative times, or no overprovisioning factor", k.Name)
		}
		if d := k.DNS; d != nil && (d.RefreshRate <= 0 || duration.D()/d.RefreshRate > mostTicks || d.Jitter < 0 || d.FailureBase < 0 || d.FailureMax < 0) {
			return fmt.Errorf("cluster %s: names that are asked for every %v, with a jitter of %v", k.Name, d.RefreshRate, d.Jitter)
		}
		for _, l := range k.Localities {
			if l.Priority >= mostPriorities {
				return fmt.Errorf("cluster %s: priority %d; expected less than %d", k.Name, l.Priority, mostPriorities)
			}
		}
	}
	return nil
}

// UpstreamAt returns the upstream that owns the address, or -1.
func (s *Schedule) UpstreamAt(ip netip.Addr) int32 {
	for i := range s.Upstreams {
		for _, a := range s.Upstreams[i].IPs {
			if a == ip {
				return int32(i)
			}
		}
	}
	return -1
}

// Resolve returns what an endpoint address of the configuration stands for: an
// IP itself, or what the scenario's DNS answers for a name. An address that no
// upstream serves resolves to nothing.
func (s *Schedule) Resolve(address string) []netip.Addr {
	if ip, err := netip.ParseAddr(address); err == nil {
		return []netip.Addr{ip}
	}
	for i := range s.Upstreams {
		if SameAddress(s.Upstreams[i].Address, address) {
			return s.Upstreams[i].IPs
		}
	}
	return nil
}

// PassedThrough is the cluster that the load reaches by connections alone,
// because no route leads to it: its port is not HTTP. Nil: there is none.
func PassedThrough(c *xds.Config, l *Load) *xds.Cluster {
	for i := range c.VirtualHosts {
		if v := &c.VirtualHosts[i]; v.Port == l.Port && v.Matches(l.Host) {
			return nil
		}
	}
	return c.Cluster(fmt.Sprintf("outbound|%d||%s", l.Port, l.Host))
}

// SameAddress reports whether two endpoint addresses name the same place: case
// and the dot at the end of a DNS name mean nothing.
func SameAddress(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// canonical is the one spelling of all addresses that are the same.
func canonical(address string) string { return strings.ToLower(strings.TrimSuffix(address, ".")) }
