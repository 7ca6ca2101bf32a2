// Package dnsserver is the DNS of one scenario: it answers for its names, and
// misbehaves when it is told to.
//
//	srv, err := dnsserver.Start("100.127.0.1:53", func(name string) dnsserver.Answer {
//		return dnsserver.Answer{Addresses: addresses[name], TTL: 30 * time.Second}
//	})
//	defer srv.Close()
//
// It speaks UDP and TCP on one address. What a name has is asked anew for every
// question, so that a change shows with the next one. What is Elsewhere is asked of
// another server, and its answer passed on whole. It leaves out recursion of its
// own, and every type of record but A and AAAA, which it answers with no data.
package dnsserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	model "github.com/faildrill/faildrill/harness/engine/dns"
)

// Code is how a question is answered.
type Code uint8

// The codes; NoError with no address of the family asked for is "no data".
const (
	NoError Code = iota
	NXDomain
	ServFail
	Refused
	Silence   // no answer at all
	Elsewhere // as Options.Forward answers; ServFail when it does not
)

// CodeOf is the code of an answer of the model's.
func CodeOf(c model.Code) Code { return codes[c] }

var codes = map[model.Code]Code{
	model.NoError: NoError, model.NXDomain: NXDomain, model.ServFail: ServFail, model.Refused: Refused, model.Timeout: Silence,
}

// Answer is what the server says about a name.
type Answer struct {
	Code      Code
	Addresses []netip.Addr
	TTL       time.Duration // whole seconds; a part of one is cut off
}

// Options are what a server may have beside its answers.
type Options struct {
	Forward string // host:port of the server for names that are Elsewhere; "": none
}

// Server answers until it is closed.
type Server struct {
	answer   func(name string) Answer
	options  Options
	udp, tcp *dns.Server
	serving  sync.WaitGroup

	mu    sync.Mutex
	asked map[string]int
}

// ErrListen says that the address cannot be listened on.
var ErrListen = errors.New("the DNS server cannot listen")

// Start listens on UDP and TCP. answer gets names in lower case without the dot
// at the end, from several goroutines.
func Start(address string, answer func(name string) Answer) (*Server, error) {
	return Options{}.Start(address, answer)
}

// Start is Start with options.
func (o Options) Start(address string, answer func(name string) Answer) (*Server, error) {
	pc, ln, err := listen(address, net.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrListen, err)
	}
	s := &Server{answer: answer, options: o, asked: map[string]int{}}
	s.udp = &dns.Server{PacketConn: pc, Handler: s}
	s.tcp = &dns.Server{Listener: ln, Handler: s}
	var ready sync.WaitGroup
	for _, srv := range []*dns.Server{s.udp, s.tcp} {
		ready.Add(1)
		srv.NotifyStartedFunc = ready.Done
		s.serving.Go(func() { _ = srv.ActivateAndServe() }) // it ends with an error when it is shut down
	}
	ready.Wait()
	return s, nil
}

// attempts is how many ports are tried when the system chooses.
const attempts = 20

// listen listens on UDP and TCP. With port 0 the system chooses for UDP, and TCP gets
// the same, or another one is tried if somebody has it.
func listen(address string, tcp func(network, address string) (net.Listener, error)) (net.PacketConn, net.Listener, error) {
	_, port, _ := net.SplitHostPort(address) // who listens says what is wrong with it
	for n := 1; ; n++ {
		pc, err := net.ListenPacket("udp", address)
		if err != nil {
			return nil, nil, err
		}
		ln, err := tcp("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, ln, nil
		}
		pc.Close()
		if port != "0" || n == attempts {
			return nil, nil, err
		}
	}
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.udp.PacketConn.LocalAddr().String() }

// Asked is how many questions there were about a name.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[canonical(name)]
}

// Close ends the server and waits for it.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Shutdown(), s.tcp.Shutdown())
	s.serving.Wait()
	return err
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// ServeDNS answers one question.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) != 1 || q.Opcode != dns.OpcodeQuery {
		m.Rcode = dns.RcodeFormatError
		_ = w.WriteMsg(m) // who asked has gone
		return
	}
	question := q.Question[0]
	name := canonical(question.Name)
	s.mu.Lock()
	s.asked[name]++
	s.mu.Unlock()
	a := s.answer(name)
	switch a.Code {
	case Silence:
		return
	case Elsewhere:
		if m := s.elsewhere(q); m != nil {
			s.reply(w, q, m)
			return
		}
		a.Code = ServFail
	}
	m.Rcode = rcodes[a.Code]
	if a.Code == NoError {
		m.Answer = records(question, a)
	}
	s.reply(w, q, m)
}

func (s *Server) reply(w dns.ResponseWriter, q, m *dns.Msg) {
	if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
		m.Truncate(size(q))
	}
	_ = w.WriteMsg(m) // who asked may have gone
}

// forwardTimeout is how long the other server may take.
const forwardTimeout = 3 * time.Second

// elsewhere is the other server's answer, over TCP when it does not fit; nil: none.
func (s *Server) elsewhere(q *dns.Msg) *dns.Msg {
	if s.options.Forward == "" {
		return nil
	}
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network, Timeout: forwardTimeout}
		m, _, err := c.Exchange(q, s.options.Forward)
		if err != nil {
			return nil
		}
		if !m.Truncated {
			return m
		}
	}
	return nil
}

// size is how large an answer over UDP may be (RFC 6891).
func size(q *dns.Msg) int {
	if o := q.IsEdns0(); o != nil {
		return max(dns.MinMsgSize, int(o.UDPSize()))
	}
	return dns.MinMsgSize
}

var rcodes = map[Code]int{NoError: dns.RcodeSuccess, NXDomain: dns.RcodeNameError, ServFail: dns.RcodeServerFailure, Refused: dns.RcodeRefused}

func records(q dns.Question, a Answer) []dns.RR {
	var rrs []dns.RR
	for _, ip := range a.Addresses {
		h := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: uint32(a.TTL / time.Second)}
		switch {
		case q.Qtype == dns.TypeA && ip.Unmap().Is4():
			rrs = append(rrs, &dns.A{Hdr: h, A: ip.Unmap().AsSlice()})
		case q.Qtype == dns.TypeAAAA && ip.Is6() && !ip.Is4In6():
			rrs = append(rrs, &dns.AAAA{Hdr: h, AAAA: ip.AsSlice()})
		}
	}
	return rrs
}
