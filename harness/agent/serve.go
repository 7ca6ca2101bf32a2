package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/probe"
)

const (
	dialTimeout = time.Second
	getTimeout  = 10 * time.Second
	// answerWithin is how long the harness may take to say what a name has; then
	// the question has no answer, as with a server that is gone.
	answerWithin = 3 * time.Second
)

// Serve does what it is asked until the stream ends or the context is done.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	s := &server{out: newLines(out), loads: map[int64]load{}, running: map[int64]context.CancelFunc{}, questions: map[int64]chan dnsserver.Answer{}}
	err := receive(in, func(c *call) { s.serve(ctx, c) })
	stop()
	s.work.Wait()
	for _, l := range s.loads {
		l.closeIdle()
	}
	if s.dns != nil {
		err = errors.Join(err, s.dns.Close())
	}
	s.out.close()
	return err
}

type load struct {
	do        probe.Do
	timeout   time.Duration
	closeIdle func()
}

type server struct {
	out  *lines
	work sync.WaitGroup
	dns  *dnsserver.Server

	mu        sync.Mutex
	loads     map[int64]load
	running   map[int64]context.CancelFunc
	questions map[int64]chan dnsserver.Answer
	asked     int64
}

// serve begins a call; what may take its time is done beside the next ones.
func (s *server) serve(ctx context.Context, c *call) {
	switch {
	case c.Send != nil:
		s.send(ctx, c)
	case c.Cancel != 0:
		s.mu.Lock()
		if stop := s.running[c.Cancel]; stop != nil {
			stop()
		}
		s.mu.Unlock()
	case c.Answer != nil:
		s.mu.Lock()
		q := s.questions[c.ID]
		delete(s.questions, c.ID)
		s.mu.Unlock()
		if q != nil {
			q <- c.Answer.Answer
		}
	case c.Clock:
		s.reply(reply{ID: c.ID, Now: time.Now()})
	case c.Load != nil:
		var l load
		l.do, l.closeIdle = live.HTTP(c.Load, (&net.Dialer{}).DialContext)
		l.timeout = c.Load.Timeout.D()
		s.mu.Lock()
		s.loads[c.ID] = l
		s.mu.Unlock()
		s.reply(reply{ID: c.ID})
	case c.DNS != nil:
		s.reply(replyError(c.ID, s.names(c.DNS)))
	default:
		s.work.Go(func() {
			r := s.answer(ctx, c)
			r.ID = c.ID
			s.reply(r)
		})
	}
}

func (s *server) reply(r reply) { _ = s.out.send(r) } // a stream that is broken ends everything

func replyError(id int64, err error) reply {
	r := reply{ID: id}
	if err != nil {
		r.Error, r.Kind = err.Error(), string(probe.KindOf(err))
	}
	return r
}

func (s *server) send(ctx context.Context, c *call) {
	s.mu.Lock()
	l, ok := s.loads[c.Send.Load]
	s.mu.Unlock()
	if !ok {
		s.reply(replyError(c.ID, fmt.Errorf("there is no load %d", c.Send.Load)))
		return
	}
	var stop context.CancelFunc
	if l.timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, l.timeout)
	} else {
		ctx, stop = context.WithCancel(ctx)
	}
	s.mu.Lock()
	s.running[c.ID] = stop
	s.mu.Unlock()
	begin := time.Now()
	s.work.Add(1)
	l.do(ctx, c.Send.N, func(o probe.Outcome) {
		defer s.work.Done()
		stop()
		s.mu.Lock()
		delete(s.running, c.ID)
		s.mu.Unlock()
		e := &outcome{Status: o.Status, Kind: o.Kind, Upstream: o.Upstream, Bytes: o.Bytes, Took: time.Since(begin)}
		if o.Err != nil {
			e.Error = o.Err.Error()
		}
		s.reply(reply{ID: c.ID, Outcome: e})
	})
}

func (s *server) answer(ctx context.Context, c *call) reply {
	switch {
	case c.Get != "":
		begin := time.Now()
		b, err := get(ctx, c.Get)
		r := replyError(c.ID, err)
		r.Data, r.Now, r.Took = b, time.Now(), time.Since(begin)
		return r
	case c.HTTP != nil:
		status, b, err := c.HTTP.do(ctx)
		r := replyError(c.ID, err)
		r.Status, r.Data = status, b
		return r
	case c.Read != nil:
		b, err := readPart(c.Read)
		if errors.Is(err, fs.ErrNotExist) {
			return reply{Missing: true}
		}
		r := replyError(c.ID, err)
		r.Data = b
		return r
	case c.Dial != "":
		ctx, stop := context.WithTimeout(ctx, dialTimeout)
		defer stop()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.Dial)
		if err != nil {
			return replyError(c.ID, err)
		}
		defer conn.Close()
		if c.Silent {
			return reply{Shown: live.Silent(conn)}
		}
		return reply{Shown: c.Shows != "" && certificates.Shows(c.Shows, conn)}
	}
	return replyError(c.ID, errors.New("a call without a verb"))
}

func get(ctx context.Context, url string) ([]byte, error) {
	status, b, err := (&request{Method: http.MethodGet, URL: url}).do(ctx)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s: %s", status, http.StatusText(status), b)
	}
	return b, err
}

func (q *request) do(ctx context.Context) (status int, body []byte, err error) {
	ctx, stop := context.WithTimeout(ctx, getTimeout)
	defer stop()
	h, err := http.NewRequestWithContext(ctx, q.Method, q.URL, bytes.NewReader(q.Body))
	if err != nil {
		return 0, nil, err
	}
	r, err := http.DefaultClient.Do(h)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	return r.StatusCode, body, err
}

func readPart(r *read) ([]byte, error) {
	f, err := os.Open(r.Name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, r.From, r.Most))
}

// names starts the DNS server, whose answers come from the harness.
func (s *server) names(n *names) error {
	if s.dns != nil {
		return errors.New("there is a DNS server already")
	}
	var err error
	s.dns, err = dnsserver.Options{Forward: n.Forward}.Start(n.Listen, s.ask)
	return err
}

func (s *server) ask(name string) dnsserver.Answer {
	answer := make(chan dnsserver.Answer, 1)
	s.mu.Lock()
	s.asked--
	id := s.asked
	s.questions[id] = answer
	s.mu.Unlock()
	s.reply(reply{ID: id, Question: &name})
	select {
	case a := <-answer:
		return a
	case <-time.After(answerWithin):
	}
	s.mu.Lock()
	delete(s.questions, id)
	s.mu.Unlock()
	return dnsserver.Answer{Code: dnsserver.Silence}
}
