package mockupstreams

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	reopenFor   = 2 * time.Second       // how long a bind is tried again before it is an error
	reopenEvery = 25 * time.Millisecond // and how often
	// http2Grace lets the end of an HTTP/2 answer, which net/http still holds in
	// a buffer when it calls the connection idle, leave before the close.
	http2Grace = 50 * time.Millisecond
)

// A port is one listening address that can be closed and opened again, with
// the connections that came in through it.
type port struct {
	srv       *http.Server
	done      <-chan struct{} // closed when the upstream closes
	running   sync.WaitGroup  // the accept loop and every connection
	connected func(*port)     // called for each accepted connection; may be nil
	idleGrace time.Duration   // see Config
	// tls begins TLS on a connection, or says nil for none now; nil: the port has none.
	tls    func(*port, net.Conn) *tls.Conn
	shaken func(tls.ConnectionState, error) // called after each handshake

	mu      sync.Mutex
	address string // with the number that the system gave
	number  int
	ln      net.Listener // nil while refusing
	hold    io.Closer    // keeps the number while refusing; may be nil
	deaf    bool         // connects are not answered
	still   gate         // closed while nothing is read or written
	conns   map[*conn]bool
	over    bool
}

// newPort is a port that does not listen yet. srv becomes the port's own.
func newPort(address string, srv *http.Server, done <-chan struct{}, connected func(*port)) *port {
	return &port{srv: srv, done: done, address: address, connected: connected, conns: map[*conn]bool{}}
}

// listen opens the port for the first time.
func (p *port) listen() error {
	ln, err := p.bind()
	if err != nil {
		return bindError(p.address, err)
	}
	p.address = ln.Addr().String()
	p.number = ln.Addr().(*net.TCPAddr).Port
	p.srv.ConnState = p.changed
	p.serve(ln)
	return nil
}

// bind opens a listener, deaf if the port is. Not one of Multipath TCP, which Go would
// open: it takes no filter.
func (p *port) bind() (net.Listener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	p.mu.Lock()
	deaf := p.deaf
	p.mu.Unlock()
	if deaf {
		c.Control = func(_, _ string, rc syscall.RawConn) (err error) {
			return errors.Join(rc.Control(func(fd uintptr) { err = deafen(fd) }), err)
		}
	}
	return c.Listen(context.Background(), "tcp", p.address)
}

// control calls f with the listener's file descriptor.
func control(ln net.Listener, f func(fd uintptr) error) error {
	rc, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		return err
	}
	e := rc.Control(func(fd uintptr) { err = f(fd) })
	return errors.Join(e, err)
}

// lose leaves connects unanswered from now on. Connections end as in refuse.
func (p *port) lose() error {
	p.mu.Lock()
	if p.deaf {
		p.mu.Unlock()
		return nil
	}
	if p.ln != nil {
		if err := control(p.ln, deafen); err != nil {
			p.mu.Unlock()
			return err
		}
	}
	p.deaf = true
	p.mu.Unlock()
	p.restart()
	return nil
}

// hear answers connects again.
func (p *port) hear() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.deaf {
		return nil
	}
	if p.ln != nil {
		if err := undeafen(p.ln); err != nil {
			return err
		}
	}
	p.deaf = false
	return nil
}

// bindError leaves out what net says twice.
func bindError(address string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("%w on %s: %w", ErrListen, address, err)
}

// serve starts the accept loop.
func (p *port) serve(ln net.Listener) {
	p.mu.Lock()
	p.ln = ln
	p.mu.Unlock()
	p.running.Go(func() {
		// The error only ever says that the listener was closed, by us.
		_ = p.srv.Serve(&acceptor{ln, p})
	})
}

func (p *port) refusing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ln == nil
}

// refuse closes the listener and every connection without a request.
// Connections with a running request are closed when that has ended.
func (p *port) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln == nil {
		return
	}
	address := p.ln.Addr().(*net.TCPAddr)
	p.ln.Close()
	p.ln = nil
	// If the number cannot be held, it is merely free for others to take.
	p.hold, _ = holdPort(address)
	for c, idle := range p.conns {
		switch {
		case idle && p.idleGrace > 0:
			p.closeLater(c, p.idleGrace)
		case idle:
			c.Close()
		}
	}
}

// reopen listens on the same address again, trying for a while.
func (p *port) reopen() error {
	p.mu.Lock()
	if p.ln != nil || p.over {
		p.mu.Unlock()
		return nil
	}
	if p.hold != nil {
		p.hold.Close()
		p.hold = nil
	}
	p.mu.Unlock()

	deadline := time.Now().Add(reopenFor)
	for {
		ln, err := p.bind()
		if err == nil {
			p.serve(ln)
			return nil
		}
		if time.Now().After(deadline) {
			return bindError(p.address, err)
		}
		select {
		case <-p.done:
			return ErrClosed
		case <-time.After(reopenEvery):
		}
	}
}

// close ends the port and its connections; running waits for their goroutines.
func (p *port) close() {
	p.mu.Lock()
	p.over = true
	if p.ln != nil {
		p.ln.Close()
	}
	if p.hold != nil {
		p.hold.Close()
	}
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
}

// changed is the server's ConnState hook: it knows idle connections, which are
// those that a refusing port closes.
func (p *port) changed(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateActive:
		p.conns[c] = false
	case http.StateIdle:
		p.conns[c] = true
		if p.ln == nil || c.retired.Load() {
			p.closeIdle(c)
		}
	case http.StateClosed:
		delete(p.conns, c)
		p.running.Done()
	}
}

// closeIdle ends a connection whose request has ended: the client may have its
// answer, which did not announce this, and send the next request already.
func (p *port) closeIdle(c *conn) {
	switch {
	case c.http2.Load():
		p.closeLater(c, http2Grace)
	case p.idleGrace > 0:
		p.closeLater(c, p.idleGrace)
	default:
		c.Close()
	}
}

// closeLater closes the connection if it is idle then, and is still not wanted.
func (p *port) closeLater(c *conn, after time.Duration) {
	time.AfterFunc(after, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if (p.ln == nil || c.retired.Load()) && p.conns[c] {
			c.Close()
		}
	})
}

// An acceptor hands net/http connections that the port knows.
type acceptor struct {
	net.Listener
	port *port
}

// Accept waits for the next connection of a port that listens.
func (a *acceptor) Accept() (net.Conn, error) {
	for {
		nc, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{raw: nc, port: a.port}
		gated := gatedConn{nc, a.port}
		c.Conn = gated
		if a.port.tls != nil {
			if c.secured = a.port.tls(a.port, gated); c.secured != nil {
				c.Conn = c.secured
			}
		}
		if a.port.track(c, a.Listener) {
			return c, nil
		}
		c.reset()
	}
}

// track takes the connection in unless its listener was closed meanwhile.
func (p *port) track(c *conn, from net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.ln != from || p.deaf {
		return false
	}
	p.conns[c] = true // until its first byte
	p.running.Add(1)
	if p.connected != nil {
		p.connected(p)
	}
	return true
}

// A gatedConn stands still when its port does.
type gatedConn struct {
	net.Conn
	port *port
}

// Read hands over what has come, later if the port stands still.
func (c gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.port.still.pass(c.port.done)
	return n, err
}

// Write sends when the port does not stand still.
func (c gatedConn) Write(b []byte) (int, error) {
	c.port.still.pass(c.port.done)
	return c.Conn.Write(b)
}

// A conn is one accepted connection.
type conn struct {
	net.Conn
	raw     net.Conn  // below TLS
	secured *tls.Conn // nil: plain text
	port    *port
	carried atomic.Int64 // requests so far
	http2   atomic.Bool
	retired atomic.Bool // ends when its request has

	shake    sync.Once // of TLS
	shakeErr error
}

// Close closes at once while the port stands still: TLS would want to write before.
func (c *conn) Close() error {
	if c.port.still.isShut() {
		return c.raw.Close()
	}
	return c.Conn.Close()
}

// reset closes with RST, whatever is still unread or unsent.
func (c *conn) reset() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is gone already
	}
	c.raw.Close()
}

// finish closes with FIN.
func (c *conn) finish() {
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	c.Close()
}
