package inproc

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"

	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/xds"
)

// proxy is the sidecar of one client: a listener for it, and the configuration
// that decides where its requests go.
type proxy struct {
	w      *world
	client int32
	port   uint32 // that requests of the client are meant for
	ln     net.Listener
	srv    *http.Server

	// Guarded by the world's lock.
	config   *xds.Config
	clusters map[string]*cluster
	log      map[int32]*request // by number: what clients may ask about
}

// listen starts the proxy; it has no configuration yet.
func (w *world) listen(client int) (*proxy, error) {
	ln, err := net.Listen("tcp", anyPort)
	if err != nil {
		return nil, err
	}
	p := &proxy{w: w, client: int32(client), port: w.s.Clients[client].Load.Port, ln: ln, log: map[int32]*request{}}
	p.srv = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // its only client is ours
	w.running.Go(func() {
		_ = p.srv.Serve(ln) // always says that it was closed, by us
	})
	return p, nil
}

// ServeHTTP is the life of one request in the proxy. Decisions are made
// elsewhere, by whoever has news; this goroutine writes to sockets.
func (p *proxy) ServeHTTP(rw http.ResponseWriter, hr *http.Request) {
	rq, ok := p.accept(hr)
	if !ok {
		panic(http.ErrAbortHandler) // the drill is over
	}
	defer p.w.running.Done()
	stop := context.AfterFunc(hr.Context(), func() {
		p.w.lock()
		defer p.w.unlock()
		p.w.clientGone(rq)
	})
	defer stop()
	for range rq.news {
		p.w.lock()
		cn, final, gone := rq.toSend, rq.final, rq.ended && rq.final == nil
		rq.toSend = nil
		p.w.unlock()
		switch {
		case gone:
			panic(http.ErrAbortHandler)
		case cn != nil:
			cn.send(rq.wire)
		case final != nil:
			p.reply(rw, rq, final)
			return
		}
	}
}

// accept takes a request in and begins its first attempt.
func (p *proxy) accept(hr *http.Request) (*request, bool) {
	_, _ = io.Copy(io.Discard, hr.Body) // clients send none
	n, _ := strconv.Atoi(hr.Header.Get(live.RequestHeader))
	rq := &request{
		p: p, n: int32(n), method: hr.Method, wire: wireOf(hr), news: make(chan struct{}, 1), done: make(chan struct{}),
	}
	host := hr.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	p.w.lock()
	defer p.w.unlock()
	if p.w.stopped {
		return nil, false
	}
	p.w.running.Add(1)
	p.log[rq.n] = rq
	p.w.start(rq, host, p.port, hr.URL.RequestURI())
	return rq, true
}

// hopByHop are the headers that belong to one connection.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// wireOf is the request as an attempt sends it.
func wireOf(hr *http.Request) []byte {
	out := &http.Request{Method: hr.Method, URL: hr.URL, Host: hr.Host, Header: hr.Header.Clone()}
	for _, h := range hopByHop {
		out.Header.Del(h)
	}
	out.Header.Del(live.RequestHeader)
	var b bytes.Buffer
	if err := out.Write(&b); err != nil {
		return nil // a buffer does not fail; the upstream would answer 400
	}
	return b.Bytes()
}

// reply gives the client its answer.
func (p *proxy) reply(rw http.ResponseWriter, rq *request, a *answer) {
	if a.res == nil {
		rw.Header().Set("Content-Type", "text/plain")
		rw.WriteHeader(a.status)
		_, _ = io.WriteString(rw, a.text) // a client that has left is noticed elsewhere
		return
	}
	for k, vs := range a.res.Header {
		rw.Header()[k] = vs
	}
	for _, h := range hopByHop {
		rw.Header().Del(h)
	}
	rw.WriteHeader(a.status)
	read, wrote := relay(rw, a.res)
	p.w.lock()
	switch {
	case read != nil:
		p.w.bodyBroken(rq)
	case wrote != nil:
		p.w.clientGone(rq)
	default:
		p.w.bodyEnd(rq)
	}
	p.w.unlock()
	if read != nil || wrote != nil {
		panic(http.ErrAbortHandler)
	}
}

// relay copies the body, and does not hold back what has come while more is
// awaited. It returns the errors of either side.
func relay(rw http.ResponseWriter, res *http.Response) (read, wrote error) {
	rc := http.NewResponseController(rw)
	buf := make([]byte, 4096)
	left := res.ContentLength
	for {
		n, err := res.Body.Read(buf)
		left -= int64(n)
		if _, e := rw.Write(buf[:n]); e != nil {
			return nil, e
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
		if left != 0 {
			if e := rc.Flush(); e != nil {
				return nil, e
			}
		}
	}
}
