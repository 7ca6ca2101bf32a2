package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// upstreamHeader is where the fake upstreams say who they are.
const upstreamHeader = "X-Upstream"

// HTTPOptions say what requests to make.
type HTTPOptions struct {
	// Method is that of every request; "" means GET. No request has a body.
	Method string
	// URL is what to ask for, http or https.
	URL string
	// Host is the Host header, when it is not that of the URL.
	Host string
	// Header is sent with each request; it is not changed afterwards.
	Header http.Header
	// NumberHeader, if any, is the header that carries the number of a request.
	NumberHeader string
	// KeepAlive lets requests share connections; without it each has its own.
	KeepAlive bool
	// Timeout ends a request this long after it was sent, the reading of its
	// body included; 0 means never.
	Timeout time.Duration
	// Dial connects, or gives up when the context is done; nil means
	// net.Dialer's DialContext. Like a socket, the connection takes in a few
	// kilobytes without waiting for the other side to read.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for https; nil means what this system trusts.
	TLS *tls.Config
}

// HTTP gives a Do that makes HTTP/1.1 requests and reads each body to its end,
// and a function that closes the connections that are left. An error is a
// mistake in the options.
//
// One Do is one attempt: no redirect is followed, no proxy and no cookie is
// used, nothing is decompressed, and a request that meets a closed connection
// fails instead of being sent again. When a connection is ready, Do writes the
// request itself; connecting takes a goroutine.
func HTTP(o HTTPOptions) (Do, func(), error) {
	c, err := newHTTP(o)
	if err != nil {
		return nil, nil, err
	}
	return c.do, c.closeIdle, nil
}

func newHTTP(o HTTPOptions) (*client, error) {
	target, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" || !ascii(target.Host) {
		return nil, fmt.Errorf("url: found %q, expected http://host/path or https://host/path", o.URL)
	}
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	c := &client{o: o, address: addressOf(target)}
	if err := c.compose(target); err != nil {
		return nil, err
	}
	if target.Scheme == "https" {
		c.tls = o.TLS.Clone()
		if c.tls == nil {
			c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if c.tls.ServerName == "" {
			c.tls.ServerName = target.Hostname()
		}
	}
	return c, nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

// addressOf is where to connect.
func addressOf(target *url.URL) string {
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	return net.JoinHostPort(target.Hostname(), port)
}

// client is what the requests of one Do share.
type client struct {
	o       HTTPOptions
	address string
	tls     *tls.Config // nil: plain
	request *http.Request
	head    []byte // the request as it is sent, up to the line with its number

	mu     sync.Mutex // guards what follows, and who uses which connection
	idle   []*conn    // ready, the one used last at the end
	closed bool       // keep no more
}

// compose writes the request down once, since all are alike.
func (c *client) compose(target *url.URL) error {
	for name, values := range c.o.Header {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				return fmt.Errorf("header %s: a value has no line breaks, found %q", name, v)
			}
		}
	}
	c.request = &http.Request{
		Method: c.o.Method, URL: target, Host: c.o.Host, Header: c.o.Header.Clone(),
		Close: !c.o.KeepAlive || strings.EqualFold(c.o.Header.Get("Connection"), "close"),
	}
	var b bytes.Buffer
	if err := c.request.Write(&b); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b.Bytes()))); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	c.head = bytes.TrimSuffix(b.Bytes(), []byte("\r\n"))
	return nil
}

// wire is request n as it is sent.
func (c *client) wire(n int) []byte {
	b := make([]byte, 0, len(c.head)+len(c.o.NumberHeader)+24)
	b = append(b, c.head...)
	if c.o.NumberHeader != "" {
		b = append(b, c.o.NumberHeader...)
		b = append(b, ": "...)
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// readily is how much is written by whoever may not wait: it has room in the
// buffers of a connection whose last request has been answered.
const readily = 16 << 10

// do sends request n, at once if a connection is ready.
func (c *client) do(ctx context.Context, n int, done func(Outcome)) {
	a := &call{ctx: ctx, wire: c.wire(n), done: done, stop: func() bool { return true }}
	if c.o.Timeout > 0 {
		a.deadline = time.Now().Add(c.o.Timeout)
	}
	if ctx.Err() == nil && c.reuse(a) {
		a.write()
		return
	}
	go c.connect(a)
}

// reuse gives the request the connection that was used last. It reports whether
// one is ready.
func (c *client) reuse(a *call) bool {
	if len(a.wire) > readily {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return false
	}
	c.idle[last].expect(a)
	c.idle = c.idle[:last]
	return true
}

// connect sends on a connection of its own, and reads from it until it ends.
func (c *client) connect(a *call) {
	ctx, cancel := a.ctx, context.CancelFunc(func() {})
	if !a.deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, a.deadline)
	}
	nc, err := c.dial(ctx)
	if ctx.Err() != nil {
		err = ctx.Err() // which the error does not always tell
	}
	cancel()
	if err != nil {
		if nc != nil {
			nc.Close()
		}
		a.done(Outcome{Err: err, Kind: KindOf(err)})
		return
	}
	cn := newConn(c, nc)
	c.mu.Lock()
	cn.expect(a)
	c.mu.Unlock()
	if len(a.wire) > readily {
		go a.write()
	} else {
		a.write()
	}
	cn.read()
}

func (c *client) dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	nc, err := c.o.Dial(ctx, "tcp", c.address)
	if err != nil || c.tls == nil {
		return nc, err
	}
	secured := tls.Client(nc, c.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return secured, nil
}

// closeIdle closes the connections that are ready, and from now on each after
// its request.
func (c *client) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, cn := range c.idle {
		cn.nc.Close()
	}
	c.idle = nil
}
