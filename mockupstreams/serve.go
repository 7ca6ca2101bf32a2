package mockupstreams

import (
	"net/http"
	"strings"
	"time"
)

type connKey struct{}

// serve is the story of one request: decide, act, record.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	x := s.arrive(w, r)
	if x == nil {
		panic(http.ErrAbortHandler) // the upstream is closing
	}
	defer s.running.Done()
	x.play()
	s.end(x)
	if x.abort {
		// The one way to make net/http drop an answer instead of ending it.
		panic(http.ErrAbortHandler)
	}
}

// connected counts an accepted connection.
func (s *Server) connected(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record.connected(p.number)
}

// arrive decides which faults hit the request and counts it; nil after Close.
func (s *Server) arrive(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{w: w, r: r, done: s.done, upstream: s.cfg.Name, body: s.cfg.Body}
	carried := 0
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		x.conn, x.port = c, c.port.number
		c.http2.Store(r.ProtoMajor == 2)
		carried = int(c.carried.Add(1)) - 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.running.Add(1)
	x.at = s.cfg.Now()
	s.decide(x, carried)
	x.n = s.record.arrived(x.port, x.hits)
	return x
}

// decide asks the faults in the order in which they were applied. Every delay
// that hits adds; the first answer that hits is the answer, and the faults
// after it that would answer too are not asked, so they neither count nor draw.
func (s *Server) decide(x *exchange, carried int) {
	header := func(name string) string {
		if strings.EqualFold(name, "host") {
			return x.r.Host // net/http takes it out of the headers
		}
		return x.r.Header.Get(name)
	}
	for _, a := range s.applied {
		b := a.behaviour
		if b.delay == nil && (b.answer == nil || x.fault != nil) {
			continue
		}
		if b.ready != nil && !b.ready(a.Fault, carried) {
			continue
		}
		if !a.selector.Hit(x.at.Sub(a.at), x.port, x.r.URL.Path, header, a.draw) {
			continue
		}
		x.hits = append(x.hits, a.Name)
		if b.delay != nil {
			x.delay += b.delay(a.Fault, a.draw)
		} else {
			x.fault = a
		}
	}
}

// end records what became of the request.
func (s *Server) end(x *exchange) {
	s.mu.Lock()
	now := s.cfg.Now()
	a := Attempt{
		At: x.at, N: x.n, Port: x.port,
		Proto: x.r.Proto, Method: x.r.Method, Path: x.r.URL.Path,
		Status: x.status, Fault: strings.Join(x.hits, ","),
		DurationMs: float64(now.Sub(x.at)) / float64(time.Millisecond),
	}
	s.record.ended(a)
	if x.complete && x.status < 500 {
		for _, f := range s.applied {
			f.selector.Succeeded()
		}
	}
	s.mu.Unlock()
	if s.cfg.OnAttempt != nil {
		s.cfg.OnAttempt(a)
	}
}
