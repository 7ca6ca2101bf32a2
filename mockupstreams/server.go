package mockupstreams

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// headerTimeout bounds how long a connection may take for a request's
	// headers. It starts with the connection, so it is long: proxies connect ahead.
	headerTimeout = 60 * time.Second
	// faultsKept bounds the table of faults, so that the control API cannot fill memory.
	faultsKept = 1000
)

// A Config says what upstream to start.
type Config struct {
	// Name is what the upstream answers to, in the header x-upstream: letters,
	// digits, dots, dashes and underscores.
	Name string
	// Listen are the host:port addresses that requests arrive on, at least one.
	// Port 0 lets the system choose, once: a fault does not change the number.
	Listen []string
	// ListenTLS are further addresses, on which requests arrive by TLS.
	ListenTLS []string
	// TLS is what those show; needed with ListenTLS.
	TLS *TLS
	// Control is the host:port of the JSON control API; "" for none.
	Control string
	// Body is the body of healthy answers; "" means "healthy: <name>\n".
	Body string
	// Seed decides all chance (see NewDraw).
	Seed uint64
	// OnAttempt, if any, is called as each request ends, before the client has
	// the last byte of a short answer. Calls may come from several goroutines at
	// once, and each holds up one request.
	OnAttempt func(Attempt)
	// IdleGrace is how long idle connections outlive a refusal; 0 means that they
	// are closed at once. A connection on which a request is on its way is idle
	// to the upstream: whoever closes his idle connections himself sets this, so
	// that such a request is answered.
	IdleGrace time.Duration
	// Now tells the time of attempts and of For; nil means time.Now.
	Now func() time.Time
}

// A Server is one upstream that runs. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	done    chan struct{}
	close   func() error
	control *port

	// change is held while faults are applied or healed and listeners follow.
	change sync.Mutex
	ports  []*port // fixed after Start

	mu      sync.Mutex // guards what follows
	applied []*applied
	record  record
	closed  bool
	running sync.WaitGroup // requests
}

// applied is a fault at work.
type applied struct {
	Fault
	behaviour *Behaviour
	at        time.Time
	selector  Selector
	draw      func() float64
	timer     *time.Timer // ends a fault that deadens; nil for all others
}

// Start opens every listener and serves, or returns an error and leaves
// nothing behind. The error is a mistake in the Config or wraps ErrListen.
func Start(cfg Config) (*Server, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting upstream %q: %w", cfg.Name, err)
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, fmt.Errorf("starting upstream %q: %w", cfg.Name, err)
	}
	return s, nil
}

// newServer is an upstream without sockets.
func newServer(cfg Config) (*Server, error) {
	if err := checkName(cfg.Name); err != nil {
		return nil, err
	}
	if len(cfg.Listen)+len(cfg.ListenTLS) == 0 {
		return nil, errors.New("listen: found no address, expected at least one host:port")
	}
	if len(cfg.ListenTLS) > 0 && (cfg.TLS == nil || len(cfg.TLS.Certificate.Certificate) == 0) {
		return nil, errors.New("listenTLS: found no certificate, expected one in TLS")
	}
	for _, address := range slices.Concat(cfg.Listen, cfg.ListenTLS) {
		if err := checkAddress("listen", address); err != nil {
			return nil, err
		}
	}
	if cfg.Control != "" {
		if err := checkAddress("control", cfg.Control); err != nil {
			return nil, err
		}
	}
	if cfg.Body == "" {
		cfg.Body = "healthy: " + cfg.Name + "\n"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, done: make(chan struct{}), record: newRecord(len(cfg.ListenTLS) > 0)}
	s.close = sync.OnceValue(s.shutDown)
	return s, nil
}

func checkAddress(key, address string) error {
	_, number, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(number, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: found %q, expected host:port with a port from 0 to 65535", key, address)
	}
	return nil
}

func (s *Server) listen() error {
	for i, address := range slices.Concat(s.cfg.Listen, s.cfg.ListenTLS) {
		srv := quiet(&http.Server{
			Handler:           http.HandlerFunc(s.serve),
			ReadHeaderTimeout: headerTimeout,
			ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
				return context.WithValue(ctx, connKey{}, nc)
			},
			Protocols: new(http.Protocols),
		})
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
		p := newPort(address, srv, s.done, s.connected)
		p.idleGrace = s.cfg.IdleGrace
		if i >= len(s.cfg.Listen) {
			p.tls, p.shaken = s.secure, s.shaken
		}
		if err := p.listen(); err != nil {
			return err
		}
		s.ports = append(s.ports, p)
	}
	if s.cfg.Control == "" {
		return nil
	}
	p := newPort(s.cfg.Control, quiet(controlServer(s)), s.done, nil)
	if err := p.listen(); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	s.control = p
	return nil
}

// quiet keeps net/http from writing to the process's standard error; what
// clients do to an upstream is in its attempts.
func quiet(srv *http.Server) *http.Server {
	srv.ErrorLog = log.New(io.Discard, "", 0)
	return srv
}

// Addrs are the addresses of Config.Listen and then those of ListenTLS, in
// their order, with real numbers.
// They stay the same while a port refuses.
func (s *Server) Addrs() []string {
	var addrs []string
	for _, p := range s.ports {
		addrs = append(addrs, p.address)
	}
	return addrs
}

// ControlAddr is the address of the control API, "" if there is none.
func (s *Server) ControlAddr() string {
	if s.control == nil {
		return ""
	}
	return s.control.address
}

// Close ends everything at once, requests that run included, and waits for the
// goroutines. It may be called again.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutDown() error {
	close(s.done) // frees hanging requests and a bind that is being retried
	s.change.Lock()
	s.mu.Lock()
	s.closed = true
	for _, a := range s.applied {
		a.stopTimer()
	}
	s.mu.Unlock()
	all := s.ports
	if s.control != nil {
		all = append(slices.Clone(all), s.control)
	}
	for _, p := range all {
		p.close()
	}
	s.change.Unlock()
	// Unlocked, because a request may be on its way into Apply or Heal.
	for _, p := range all {
		p.running.Wait()
	}
	s.running.Wait()
	return nil
}

// Apply starts a fault. The error is a mistake in the fault (see
// Fault.Validate), a port that this upstream does not listen on, ErrDuplicate,
// ErrUnsupported or ErrClosed.
func (s *Server) Apply(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if err := s.checkPort(f.Port); err != nil {
		return fmt.Errorf("fault %q: %w", f.Name, err)
	}
	if err := s.checkTLS(f); err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.add(f.clone()); err != nil {
		return err
	}
	if err := s.shut(); err != nil {
		s.mu.Lock()
		s.applied = slices.DeleteFunc(s.applied, func(a *applied) bool { return a.Name == f.Name })
		s.mu.Unlock()
		return fmt.Errorf("fault %q: %w", f.Name, errors.Join(err, s.open()))
	}
	for _, p := range s.ports {
		if f.TLS != "" && p.tls != nil && (f.Port == 0 || f.Port == p.number) {
			p.restart()
		}
	}
	return nil
}

// add puts a valid fault into the table, in place of one of the same name that
// has healed itself.
func (s *Server) add(f Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	now := s.cfg.Now()
	if i := s.find(f.Name); i >= 0 {
		if !s.applied[i].over(now) {
			return fmt.Errorf("fault %q: %w; heal it first or choose another name (applied: %s)", f.Name, ErrDuplicate, s.names(now))
		}
		s.applied = slices.Delete(s.applied, i, i+1)
	}
	if len(s.applied) >= faultsKept {
		s.applied = slices.DeleteFunc(s.applied, func(a *applied) bool { return a.over(now) })
	}
	if len(s.applied) >= faultsKept {
		return fmt.Errorf("fault %q: found %d faults applied, expected less than %d", f.Name, len(s.applied), faultsKept)
	}
	b, err := f.behaviour()
	if err != nil {
		return err
	}
	a := &applied{Fault: f, behaviour: b, at: now, selector: Selector{Match: f.Match}, draw: NewDraw(s.cfg.Seed, f.Name)}
	if f.deadens() && f.For > 0 {
		a.timer = time.AfterFunc(time.Duration(f.For), func() { s.expire(a) })
	}
	s.applied = append(s.applied, a)
	return nil
}

func (s *Server) checkPort(number int) error {
	if number == 0 {
		return nil
	}
	var have []string
	for _, p := range s.ports {
		if p.number == number {
			return nil
		}
		have = append(have, fmt.Sprint(p.number))
	}
	return fmt.Errorf("port: found %d, expected one that %s listens on: %s", number, s.cfg.Name, strings.Join(have, ", "))
}

// Heal ends a fault, one that has healed itself included. A healed refusal
// listens again before Heal returns; if its address was taken meanwhile, that
// is an error and the fault stays. ErrNotApplied: there is no fault of this name.
func (s *Server) Heal(name string) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	i := s.find(name)
	if i < 0 {
		defer s.mu.Unlock()
		return fmt.Errorf("fault %q: %w; applied: %s", name, ErrNotApplied, s.names(s.cfg.Now()))
	}
	a := s.applied[i]
	s.applied = slices.Delete(s.applied, i, i+1)
	s.mu.Unlock()
	if !a.deadens() {
		return nil
	}
	if err := s.open(); err != nil {
		s.mu.Lock()
		s.applied = slices.Insert(s.applied, i, a)
		s.mu.Unlock()
		// Its other ports, so that the table stays true.
		return fmt.Errorf("healing fault %q: %w", name, errors.Join(err, s.shut()))
	}
	a.stopTimer()
	return nil
}

// Faults are the faults at work in the order in which they were applied,
// without those that have healed themselves.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	faults := []Fault{}
	for _, a := range s.applied {
		if !a.over(now) {
			faults = append(faults, a.Fault.clone())
		}
	}
	return faults
}

// Counts are the numbers since the start or the last Reset.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.counts()
}

// Attempts are the latest requests that have ended, at most 4096, in the order
// in which they ended, and how many older ones were dropped.
func (s *Server) Attempts() (attempts []Attempt, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.attempts(), s.record.dropped
}

// Reset starts counts, attempts and their numbers anew. Faults stay, and so
// does what they have counted for First, Every and UntilSuccesses.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = newRecord(len(s.cfg.ListenTLS) > 0)
}

// Refusing are those of Addrs that do not listen now.
func (s *Server) Refusing() []string {
	closed := []string{}
	for _, p := range s.ports {
		if p.refusing() {
			closed = append(closed, p.address)
		}
	}
	return closed
}

// shut closes the listeners that an applied fault refuses, deafens those that one
// makes a blackhole, and lets ports stand still that one pauses; change is held.
func (s *Server) shut() error {
	var errs []error
	for _, p := range s.ports {
		refused, lost, still := s.dead(p)
		if still {
			p.still.shut()
		}
		if lost {
			errs = append(errs, p.lose())
		}
		if refused {
			p.refuse()
		}
	}
	return errors.Join(errs...)
}

// open opens all other listeners, lets them hear, and lets ports go on; change is held.
func (s *Server) open() error {
	var errs []error
	for _, p := range s.ports {
		refused, lost, still := s.dead(p)
		if !still {
			p.still.open()
		}
		if !lost {
			errs = append(errs, p.hear())
		}
		if !refused {
			errs = append(errs, p.reopen())
		}
	}
	return errors.Join(errs...)
}

// dead says what the applied faults make of connects to a port, and of its connections.
func (s *Server) dead(p *port) (refused, lost, still bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for _, a := range s.applied {
		if !a.over(now) && (a.Port == 0 || a.Port == p.number) {
			refused, lost, still = refused || a.Refuse, lost || a.Blackhole, still || a.Pause
		}
	}
	return refused, lost, still
}

// expire ends a fault that deadens whose time is over. As nobody waits for an error, a
// taken address is tried again until it is free; Refusing tells.
func (s *Server) expire(a *applied) {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	closed, over := s.closed, a.over(s.cfg.Now())
	s.mu.Unlock()
	if closed {
		return
	}
	// Not over: Config.Now goes slower than the timer.
	if !over || s.open() != nil {
		a.timer.Reset(reopenEvery)
	}
}

func (s *Server) find(name string) int {
	return slices.IndexFunc(s.applied, func(a *applied) bool { return a.Name == name })
}

func (s *Server) names(now time.Time) string {
	var names []string
	for _, a := range s.applied {
		if !a.over(now) {
			names = append(names, a.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (a *applied) over(now time.Time) bool { return a.selector.Over(now.Sub(a.at)) }

func (a *applied) stopTimer() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
