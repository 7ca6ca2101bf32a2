package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// maxHead bounds the headers of an answer, the interim answers before it
	// included, in bytes.
	maxHead = 10 << 20
	// maxInterim is how many interim answers (1xx) one request may have.
	maxInterim = 5
	// lastWords is how long an answer is waited for after the request could not
	// be written: the other side may have said why.
	lastWords = 50 * time.Millisecond
)

var (
	errLongHead = fmt.Errorf("the headers of the answer exceed %d MiB", maxHead>>20)
	errInterim  = fmt.Errorf("the answer has more than %d interim answers", maxInterim)
)

// conn is one connection. Its goroutine reads from it: answers, and the end that
// the other side makes while it is idle.
type conn struct {
	client *client
	nc     net.Conn
	br     *bufio.Reader
	left   int64 // bytes that may be read before errLongHead
	last   bool  // the other side ends it after this answer

	call *call // that the next answer belongs to; guarded by the client's lock
}

func newConn(c *client, nc net.Conn) *conn {
	cn := &conn{client: c, nc: nc, left: maxHead}
	cn.br = bufio.NewReader(cn)
	return cn
}

// Read reads from the other side, within the limit.
func (cn *conn) Read(b []byte) (int, error) {
	if cn.left <= 0 {
		return 0, errLongHead
	}
	n, err := cn.nc.Read(b[:min(int64(len(b)), cn.left)])
	cn.left -= int64(n)
	return n, err
}

// read is the life of the connection after its first request was due.
func (cn *conn) read() {
	defer cn.nc.Close()
	for cn.turn() {
	}
}

// turn reads one answer. It reports whether there can be another.
func (cn *conn) turn() bool {
	_, err := cn.br.Peek(1)
	a := cn.expected()
	if a == nil {
		return false // the end of an idle connection, or an answer to nothing
	}
	var o Outcome
	if err != nil {
		o.Err = fmt.Errorf("reading the answer: %w", err)
	} else {
		o = cn.answer()
	}
	return a.end(o)
}

// expect is called with the client's lock held: the next answer is that of the request.
func (cn *conn) expect(a *call) {
	cn.call, a.conn = a, cn
	if a.ctx.Done() != nil {
		a.stop = context.AfterFunc(a.ctx, func() { cn.nc.Close() })
	}
}

// expected is the request that is to be answered, if there is one. A connection
// without takes no more.
func (cn *conn) expected() *call {
	c := cn.client
	c.mu.Lock()
	defer c.mu.Unlock()
	a := cn.call
	cn.call = nil
	if a == nil {
		c.idle = slices.DeleteFunc(c.idle, func(o *conn) bool { return o == cn })
	}
	return a
}

// answer reads an answer to its end.
func (cn *conn) answer() Outcome {
	cn.left = maxHead
	res, err := cn.final()
	cn.left = math.MaxInt64
	if err != nil {
		return Outcome{Err: fmt.Errorf("reading the answer: %w", err)}
	}
	n, err := io.Copy(io.Discard, res.Body)
	cn.last = res.Close || res.StatusCode < 200
	return Outcome{Status: res.StatusCode, Err: err, Upstream: res.Header.Get(upstreamHeader), Bytes: n, Header: res.Header}
}

// final reads the head of the answer that follows the interim ones.
func (cn *conn) final() (*http.Response, error) {
	for range maxInterim + 1 {
		res, err := http.ReadResponse(cn.br, cn.client.request)
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
	return nil, errInterim
}

// call is one request and what is to be told of it.
type call struct {
	ctx      context.Context
	wire     []byte
	deadline time.Time // zero: none
	done     func(Outcome)

	conn     *conn
	stop     func() bool // ends the watch over ctx; false: it was done
	writeErr atomic.Pointer[error]
}

// write sends the request. If that fails, so does reading, soon.
func (a *call) write() {
	if !a.deadline.IsZero() {
		_ = a.conn.nc.SetDeadline(a.deadline)
	}
	if _, err := a.conn.nc.Write(a.wire); err != nil {
		err = fmt.Errorf("sending the request: %w", err)
		a.writeErr.Store(&err)
		_ = a.conn.nc.SetReadDeadline(time.Now().Add(lastWords))
	}
}

// end tells the outcome. It reports whether the connection goes on, ready for
// the next request before anybody knows that this one is over.
func (a *call) end(o Outcome) bool {
	cn, watched := a.conn, a.stop()
	if o.Err != nil {
		o.Err = a.cause(o, watched)
		o.Kind = KindOf(o.Err)
	}
	again := o.Err == nil && watched && cn.again(a)
	a.done(o)
	return again
}

// cause is why there is no whole answer.
func (a *call) cause(o Outcome, watched bool) error {
	switch written := a.writeErr.Load(); {
	case !watched:
		return a.ctx.Err()
	case written != nil && o.Status == 0:
		return *written
	case written == nil && errors.Is(o.Err, os.ErrDeadlineExceeded):
		return context.DeadlineExceeded
	}
	return o.Err
}

// again makes the connection ready for another request, if it can take one. A
// request that may not have been written to its end has a connection to itself.
func (cn *conn) again(a *call) bool {
	c := cn.client
	if c.request.Close || cn.last || cn.br.Buffered() > 0 || a.writeErr.Load() != nil || len(a.wire) > readily {
		return false
	}
	if !a.deadline.IsZero() && cn.nc.SetDeadline(time.Time{}) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.idle = append(c.idle, cn)
	return true
}
