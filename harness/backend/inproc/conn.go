package inproc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// conn is one connection from a proxy to an upstream. Its goroutine reads from
// it: answers, and the end that the other side makes while it is idle.
type conn struct {
	c    *cluster
	host int32
	id   int32

	drains uint32 // ejections of the host before it was opened
	state  connState
	rq     *request // attached; nil while an answer is drained
	giveUp context.CancelFunc
	nc     net.Conn // nil while opening
	br     *bufio.Reader
	resume chan bool // whether the connection goes on after a body that somebody else read
}

type connState uint8

const (
	opening connState = iota
	ready             // idle
	busy
	closed
)

// open starts a connection to the host.
func (w *world) open(c *cluster, h int32) {
	w.ids++
	ctx, cancel := context.WithTimeout(w.dialing, c.Config().ConnectTimeout)
	cn := &conn{c: c, host: h, id: w.ids, giveUp: cancel, resume: make(chan bool, 1)}
	c.pools[h].Open(cn.id, &c.use)
	c.opening[h] = append(c.opening[h], cn)
	w.conns[cn] = true
	w.running.Go(func() {
		defer w.gone(cn)
		nc, err := w.net.dial(ctx, c.Hosts()[h].Address)
		if w.opened(cn, nc, err) {
			for w.turn(cn) {
			}
		}
	})
}

// gone is the end of a connection's goroutine.
func (w *world) gone(cn *conn) {
	w.lock()
	defer w.unlock()
	cn.hangUp()
	delete(w.conns, cn)
}

// opened is the answer to a connect. It reports whether there is a connection to read from.
func (w *world) opened(cn *conn, nc net.Conn, err error) bool {
	w.lock()
	defer w.unlock()
	c, h := cn.c, cn.host
	if cn.state == closed {
		if err == nil {
			nc.Close()
		}
		return false
	}
	if err != nil {
		w.connectFailed(cn, connectResult(err))
		return false
	}
	c.opening[h] = slices.DeleteFunc(c.opening[h], func(o *conn) bool { return o == cn })
	cn.nc, cn.br, cn.state, cn.drains = nc, bufio.NewReader(nc), ready, c.drains[h]
	id, ok := c.pools[h].Connected(cn.id, &c.use)
	if w.hand(cn, id, ok) {
		return true
	}
	c.idle[h] = append(c.idle[h], cn)
	if c.retired {
		c.closeIdle(h)
	}
	return true
}

// hand gives the connection to the stream that has waited longest. Streams that
// max_requests refuses now are refused, and the next one gets it. It reports
// whether one took it.
func (w *world) hand(cn *conn, id int32, ok bool) bool {
	c, h := cn.c, cn.host
	for ok {
		rq := w.streams[id]
		if c.use.Requests <= c.Config().CircuitBreakers.MaxRequests {
			w.attach(rq, cn)
			return true
		}
		next, more := c.pools[h].Done(true, &c.use)
		rq.stage = idle
		w.overflow(rq)
		id, ok = next, more
	}
	return false
}

func connectResult(err error) trace.Result {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() || errors.Is(err, syscall.ETIMEDOUT) {
		return trace.ConnectTimeout
	}
	return trace.Refused
}

// turn reads one answer. It reports whether there can be another.
func (w *world) turn(cn *conn) bool {
	_, err := cn.br.Peek(1)
	w.lock()
	rq := cn.rq
	if err != nil || rq == nil {
		w.broken(cn)
		w.unlock()
		return false
	}
	method := rq.method
	w.unlock()

	res, err := http.ReadResponse(cn.br, &http.Request{Method: method})

	w.lock()
	if cn.state == closed || cn.rq != rq {
		w.unlock()
		return false
	}
	if err != nil {
		w.broken(cn)
		w.unlock()
		return false
	}
	handed := w.response(rq, res)
	w.unlock()
	if handed {
		return <-cn.resume
	}
	// It will be tried again: this answer is read to its end and forgotten.
	_, err = io.Copy(io.Discard, res.Body)
	w.lock()
	defer w.unlock()
	return w.giveBack(cn, err == nil && !res.Close)
}

// broken is a connection that the other side ended.
func (w *world) broken(cn *conn) {
	switch cn.state {
	case ready:
		c, h := cn.c, cn.host
		c.idle[h] = slices.DeleteFunc(c.idle[h], func(o *conn) bool { return o == cn })
		c.pools[h].Closed(&c.use)
		cn.close()
	case busy:
		w.reset(cn.rq)
	case opening, closed:
	}
}

// giveBack returns a connection after a stream to its pool, which hands it to
// the next one, keeps it or closes it. It reports whether it goes on.
func (w *world) giveBack(cn *conn, reuse bool) bool {
	c, h := cn.c, cn.host
	c.End(h)
	cn.rq = nil
	reuse = reuse && cn.state != closed && !c.retired && !c.Removed(h) && cn.drains == c.drains[h] && cn.id > w.left[c.Hosts()[h].Upstream]
	next, ok := c.pools[h].Done(reuse, &c.use)
	switch {
	case !reuse: // and then nobody takes it over
		cn.close()
	case !w.hand(cn, next, ok):
		cn.state = ready
		c.idle[h] = append(c.idle[h], cn)
	}
	if lim := &c.Config().CircuitBreakers; c.pools[h].Wanted(lim, &c.use) {
		w.open(c, h)
	}
	return reuse
}

// close ends the connection, whatever its state. Its goroutine notices.
func (cn *conn) close() {
	cn.state = closed
	cn.hangUp()
}

// hangUp closes the socket; to the proxy the other side has ended the connection.
func (cn *conn) hangUp() {
	cn.giveUp()
	if cn.nc != nil {
		cn.nc.Close()
	}
}

// send writes a request. An error shows to the reader as well.
func (cn *conn) send(wire []byte) {
	_ = cn.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = cn.nc.Write(wire)
}

// writeTimeout keeps a request from waiting for an upstream that reads nothing.
const writeTimeout = 30 * time.Second
