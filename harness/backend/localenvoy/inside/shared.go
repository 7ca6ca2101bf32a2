package inside

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/sandbox/loopback"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// anyPort lets the system choose a port of the loopback interface.
var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// shared is the loopback interface of this machine: every address of the schedule
// is somewhere else, and what the proxies write down is brought home.
type shared struct {
	*loopback.Map
	files string
	over  chan struct{} // closed when the play is
}

func newShared(j *localenvoy.Job) (*shared, error) {
	if err := os.Mkdir(j.Dir, 0o700); err != nil {
		return nil, err
	}
	m, err := loopback.Reserve(endpointsOf(j.Schedule), j.Options.Loopback == localenvoy.SeveralAddresses)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(j.Dir))
	}
	return &shared{Map: m, files: j.Dir, over: make(chan struct{})}, nil
}

// endpointsOf are all addresses that the schedule uses, with their ports.
func endpointsOf(s *schedule.Schedule) []netip.AddrPort {
	var as []netip.AddrPort
	for i := range s.Upstreams {
		for _, ip := range s.Upstreams[i].IPs {
			for _, port := range s.Upstreams[i].Ports {
				as = append(as, netip.AddrPortFrom(ip, uint16(port)))
			}
		}
	}
	for _, cs := range s.Configs {
		for i := range cs {
			for j := range cs[i].Clusters {
				for _, l := range cs[i].Clusters[j].Localities {
					for _, e := range l.Endpoints {
						for _, ip := range everResolved(s, e.Address) {
							as = append(as, netip.AddrPortFrom(ip, uint16(e.Port)))
						}
					}
				}
			}
		}
	}
	return as
}

// everResolved is what an endpoint's address stands for at some time of the drill.
func everResolved(s *schedule.Schedule, address string) []netip.Addr {
	ips := s.Resolve(address)
	for i := range s.Steps {
		if f := s.Steps[i].Fault; f != nil && f.Behaviour == schedule.Addresses && schedule.SameAddress(f.DNS, address) {
			ips = append(ips[:len(ips):len(ips)], f.Addresses...)
		}
	}
	return ips
}

func (s *shared) dir() string                        { return s.files }
func (s *shared) at(a netip.AddrPort) netip.AddrPort { return s.At(a) }
func (s *shared) ip(ip netip.Addr) netip.Addr        { return s.IP(ip) }
func (s *shared) nameserver() netip.AddrPort         { return anyPort }

func (s *shared) serve(a netip.AddrPort) (netip.AddrPort, error) {
	at := s.At(a)
	s.Release(at)
	return at, nil
}

func (s *shared) home(at netip.AddrPort) netip.AddrPort {
	if a, ok := s.Home(at); ok {
		return a
	}
	return at
}

func (*shared) block(r firewall.Rules) error {
	if len(r.Lose)+len(r.Drop)+len(r.Reject) == 0 {
		return nil
	}
	return errors.New("packets can be lost in a network namespace only")
}

func (s *shared) client() (clientNet, error) { return sharedClient{s}, nil }

// tell notes that there were no namespaces, and which address was where.
func (s *shared) tell(sink backend.Sink) {
	sink.Event(trace.Note{Text: "played on the loopback interface, without namespaces"})
	if b, err := json.MarshalIndent(s.All(), "", " "); err == nil {
		sink.Evidence(backend.LoopbackFile, append(b, '\n'))
	}
}

// leave removes the files. The proxies have ended.
func (s *shared) leave() {
	close(s.over)
	s.Close()
	_ = os.RemoveAll(s.files) // the parent tries, too
}

type sharedClient struct{ s *shared }

func (sharedClient) admin() netip.AddrPort { return anyPort }

func (sharedClient) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

func (c sharedClient) dialPast(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dial(ctx, network, address)
}

func (sharedClient) redirect(uint16, uint32) error {
	return errors.New("connections can be redirected in a network namespace only")
}

// start starts a program that is in the group of this process and, where the system
// can, ends with it. The thread that starts it has to stay for that.
func (c sharedClient) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = nil
	sandbox.Tie(cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- cmd.Start()
		<-c.s.over
	}()
	return <-started
}

// Orphaned ends what runs without namespaces when the parent is gone. In namespaces
// everything ends with this process.
func Orphaned(job []byte, played <-chan struct{}) {
	var j localenvoy.Job
	if json.Unmarshal(job, &j) != nil || j.Options.Loopback == "" {
		return
	}
	select {
	case <-played:
	case <-time.After(10 * time.Second):
	}
	_ = os.RemoveAll(j.Dir) // nobody is there to hear of it
	sandbox.EndOwnGroup()
}

// placed is the cluster with its endpoints where they are. The port of a name is
// the one at all its addresses.
func (p *player) placed(c *xds.Cluster) *xds.Cluster {
	if p.o.Loopback == "" {
		return c
	}
	out := *c
	out.Localities = append([]xds.LocalityEndpoints(nil), c.Localities...)
	for i := range out.Localities {
		l := &out.Localities[i]
		l.Endpoints = append([]xds.Endpoint(nil), l.Endpoints...)
		for k := range l.Endpoints {
			e := &l.Endpoints[k]
			ips := everResolved(p.s, e.Address)
			if len(ips) == 0 {
				continue // a name that nobody has
			}
			at := p.place.at(netip.AddrPortFrom(ips[0], uint16(e.Port)))
			if e.Address == ips[0].String() {
				e.Address = at.Addr().String()
			}
			e.Port = uint32(at.Port())
		}
	}
	return &out
}

// resolver is the DNS server that the proxies have to be told; unset: they find it.
func (p *player) resolver() netip.AddrPort {
	if p.o.Loopback == "" {
		return netip.AddrPort{}
	}
	return netip.MustParseAddrPort(p.net.dns.Addr())
}

// home is the address of the schedule that is at an ip:port.
func (p *player) home(address string) string {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return address
	}
	return p.place.home(a).String()
}

// nameOf is a host's name without the port, which is not the schedule's; an ip:port
// is brought home.
func (p *player) nameOf(host string) string {
	if home := p.home(host); home != host {
		return home
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}
