package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Conn is the harness's end of a stream. Its methods may be called from several
// goroutines.
type Conn struct {
	out    *lines
	stream io.Closer
	ended  chan struct{}

	mu      sync.Mutex
	last    int64
	waiting map[int64]func(reply, error)
	names   func(string) dnsserver.Answer
	err     error // set before ended is closed
}

// Connect talks to the agent at the other end.
func Connect(stream io.ReadWriteCloser) *Conn {
	c := &Conn{out: newLines(stream), stream: stream, ended: make(chan struct{}), waiting: map[int64]func(reply, error){}}
	go c.listen(stream)
	return c
}

// Done is closed when the stream has ended; Err says why then.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Err is why the stream ended, nil before.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the stream and with it all that the agent does for it.
func (c *Conn) Close() error {
	c.out.close()
	err := c.stream.Close()
	<-c.ended
	return err
}

func (c *Conn) listen(r io.Reader) {
	err := receive(r, c.heard)
	if err == nil {
		err = errEnded
	} else {
		err = fmt.Errorf("%w: %w", errEnded, err)
	}
	c.mu.Lock()
	c.err = err
	waiting := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	for _, done := range waiting {
		done(reply{}, err)
	}
	close(c.ended)
}

func (c *Conn) heard(r *reply) {
	if r.Question != nil {
		c.mu.Lock()
		names := c.names
		c.mu.Unlock()
		if names != nil {
			go func() { _ = c.out.send(call{ID: r.ID, Answer: &answered{names(*r.Question)}}) }() // a broken stream ends by itself
		}
		return
	}
	c.mu.Lock()
	done := c.waiting[r.ID]
	delete(c.waiting, r.ID)
	c.mu.Unlock()
	if done != nil {
		done(*r, nil)
	}
}

// begin sends a call; done is called once, not from the caller's goroutine unless
// the stream has ended.
func (c *Conn) begin(q call, done func(reply, error)) int64 {
	c.mu.Lock()
	if c.waiting == nil {
		err := c.err
		c.mu.Unlock()
		done(reply{}, err)
		return 0
	}
	c.last++
	q.ID = c.last
	c.waiting[q.ID] = done
	c.mu.Unlock()
	if err := c.out.send(q); err != nil {
		c.forget(q.ID, err)
	}
	return q.ID
}

// forget ends a call that nobody waits for any more.
func (c *Conn) forget(id int64, err error) {
	c.mu.Lock()
	done := c.waiting[id]
	delete(c.waiting, id)
	c.mu.Unlock()
	if done != nil {
		done(reply{}, err)
	}
}

// ask sends a call and waits for its reply.
func (c *Conn) ask(ctx context.Context, q call) (reply, error) {
	type result struct {
		r   reply
		err error
	}
	got := make(chan result, 1)
	id := c.begin(q, func(r reply, err error) { got <- result{r, err} })
	select {
	case g := <-got:
		if g.err == nil && g.r.Error != "" {
			g.err = &Error{Kind: probe.Kind(g.r.Kind), Reason: g.r.Error}
		}
		return g.r, g.err
	case <-ctx.Done():
		c.forget(id, ctx.Err())
		return reply{}, ctx.Err()
	}
}

// Error is what went wrong in the pod.
type Error struct {
	Kind   probe.Kind
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Is lets a refused connection be told as everywhere.
func (e *Error) Is(target error) bool {
	return e.Kind == probe.KindRefused && target == syscall.ECONNREFUSED
}

// Timeout makes it a net.Error.
func (e *Error) Timeout() bool { return e.Kind == probe.KindTimeout }

// Temporary is the rest of a net.Error.
func (*Error) Temporary() bool { return false }

// Clock compares the clocks: ahead is how much the agent's is ahead of this one, to
// within half of trip. It is the best of several looks.
func (c *Conn) Clock(ctx context.Context) (ahead, trip time.Duration, err error) {
	const looks = 7
	for range looks {
		sent := time.Now()
		r, err := c.ask(ctx, call{Clock: true})
		if err != nil {
			return 0, 0, err
		}
		if took := time.Since(sent); trip == 0 || took < trip {
			ahead, trip = r.Now.Sub(sent.Add(took/2).Round(0)), took
		}
	}
	return ahead, trip, nil
}

// Load makes a probe.Do whose requests the agent sends.
func (c *Conn) Load(ctx context.Context, l *schedule.Load) (probe.Do, error) {
	got := make(chan error, 1)
	id := c.begin(call{Load: l}, func(r reply, err error) {
		if err == nil && r.Error != "" {
			err = errors.New(r.Error)
		}
		got <- err
	})
	select {
	case err := <-got:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return func(ctx context.Context, n int, done func(probe.Outcome)) {
		over := make(chan struct{})
		number := c.begin(call{Send: &send{Load: id, N: n}}, func(r reply, err error) {
			defer close(over)
			switch {
			case err != nil:
				done(probe.Outcome{Err: err, Kind: probe.KindOf(err)})
			case r.Outcome == nil:
				err := errors.New(r.Error)
				done(probe.Outcome{Err: err, Kind: probe.KindOther})
			default:
				done(r.Outcome.outcome())
			}
		})
		if ctx.Done() == nil {
			return
		}
		go func() {
			select {
			case <-over:
			case <-ctx.Done():
				_ = c.out.send(call{Cancel: number}) // the reply comes all the same, or the stream has ended
				c.forget(number, ctx.Err())
			}
		}()
	}, nil
}

// outcome is the outcome as package probe has it.
func (o *outcome) outcome() probe.Outcome {
	p := probe.Outcome{Status: o.Status, Kind: o.Kind, Upstream: o.Upstream, Bytes: o.Bytes}
	if o.Error != "" {
		p.Err = &Error{Kind: o.Kind, Reason: o.Error}
	}
	return p
}

// Page is what a URL has.
type Page struct {
	Body []byte
	At   time.Time     // when it was read, by the agent's clock
	Took time.Duration // from the request on
}

// Get asks the agent for what a URL has, as its pod sees it; another status than 200 is an error.
func (c *Conn) Get(ctx context.Context, url string) (Page, error) {
	r, err := c.ask(ctx, call{Get: url})
	return Page{r.Data, r.Now, r.Took}, err
}

// RoundTrip has the agent send a request, as an http.RoundTripper: it goes out of the agent's pod,
// without its headers.
func (c *Conn) RoundTrip(q *http.Request) (*http.Response, error) {
	out := request{Method: q.Method, URL: q.URL.String()}
	if q.Body != nil {
		b, err := io.ReadAll(q.Body)
		_ = q.Body.Close() // it was only read
		if err != nil {
			return nil, err
		}
		out.Body = b
	}
	r, err := c.ask(q.Context(), call{HTTP: &out})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status)), StatusCode: r.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(r.Data)), ContentLength: int64(len(r.Data)), Request: q,
	}, nil
}

// mostAtOnce is how much of a file goes into a message.
const mostAtOnce = 4 << 20

// Read is a file of the pod from an offset on; one that does not exist is empty.
func (c *Conn) Read(ctx context.Context, name string, from int64) ([]byte, error) {
	var all []byte
	for {
		r, err := c.ask(ctx, call{Read: &read{Name: name, From: from + int64(len(all)), Most: mostAtOnce}})
		if err != nil {
			return nil, err
		}
		all = append(all, r.Data...)
		if len(r.Data) < mostAtOnce {
			return all, nil
		}
	}
}

// Dial has the agent connect to host:port, and hang up. The error is an *Error
// when it was the connection that failed.
func (c *Conn) Dial(ctx context.Context, address string) error {
	_, err := c.ask(ctx, call{Dial: address})
	return err
}

// ShowsTLS has the agent connect to host:port, and look whether a fault of TLS shows there.
func (c *Conn) ShowsTLS(ctx context.Context, address, fault string) (bool, error) {
	r, err := c.ask(ctx, call{Dial: address, Shows: fault})
	return r.Shown, err
}

// Silent has the agent connect to host:port, and look whether nobody answers there.
func (c *Conn) Silent(ctx context.Context, address string) (bool, error) {
	r, err := c.ask(ctx, call{Dial: address, Silent: true})
	return r.Shown, err
}

// ServeNames has the agent answer for names at an address, as the function says;
// what is dnsserver.Elsewhere is asked of forward.
func (c *Conn) ServeNames(ctx context.Context, listen, forward string, answer func(name string) dnsserver.Answer) error {
	c.mu.Lock()
	c.names = answer
	c.mu.Unlock()
	_, err := c.ask(ctx, call{DNS: &names{Listen: listen, Forward: forward}})
	return err
}
