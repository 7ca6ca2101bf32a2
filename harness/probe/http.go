package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// upstreamHeader is where the fake upstreams say who they are.
const upstreamHeader = "X-Upstream"

// HTTPOptions say what requests to make.
type HTTPOptions struct {
	// URL is what to GET, http or https.
	URL string
	// Host is the Host header, when it is not that of the URL.
	Host string
	// Header is sent with each request; it is not changed afterwards.
	Header http.Header
	// KeepAlive lets requests share connections; without it each has its own.
	KeepAlive bool
	// Timeout ends a request this long after it was sent, the reading of its
	// body included; 0 means never.
	Timeout time.Duration
	// Dial connects; nil means net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// HTTP gives a Do that makes HTTP/1.1 requests and reads each body to its end,
// and a function that closes the connections that are left. An error is a
// mistake in the options.
//
// One Do is one attempt: no redirect is followed, no proxy and no cookie is
// used, nothing is decompressed, and a request that meets a closed connection
// fails instead of being sent again.
func HTTP(o HTTPOptions) (Do, func(), error) {
	target, err := url.Parse(o.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("url: %w", err)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, nil, fmt.Errorf("url: found %q, expected http://host/path or https://host/path", o.URL)
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	transport := &http.Transport{
		DialContext:         o.Dial,
		DisableKeepAlives:   !o.KeepAlive,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 1 << 16, // as many as were in flight
	}
	do := func(ctx context.Context, _ int) Outcome {
		if o.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, o.Timeout)
			defer cancel()
		}
		return roundTrip(transport, o.request(ctx, target))
	}
	return do, transport.CloseIdleConnections, nil
}

func (o HTTPOptions) request(ctx context.Context, target *url.URL) *http.Request {
	req := &http.Request{Method: http.MethodGet, URL: target, Host: o.Host, Header: o.Header.Clone(), Body: once{}}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	return req.WithContext(ctx)
}

// once is an empty body that net/http takes for one that cannot be sent twice,
// which is what keeps it from sending a failed GET again behind our back.
type once struct{}

func (once) Read([]byte) (int, error) { return 0, io.EOF }
func (once) Close() error             { return nil }

func roundTrip(transport http.RoundTripper, req *http.Request) Outcome {
	res, err := transport.RoundTrip(req)
	if err != nil {
		return Outcome{Err: err, Kind: KindOf(err)}
	}
	n, err := io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return Outcome{
		Status: res.StatusCode, Err: err, Kind: KindOf(err),
		Upstream: res.Header.Get(upstreamHeader), Bytes: n, Header: res.Header,
	}
}
