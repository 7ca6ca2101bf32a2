package live

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
)

// RequestHeader carries the number of a request, so that a proxy's record can
// be found for it.
const RequestHeader = "X-Faildrill-Request"

// HTTP is the Do of a client that speaks HTTP/1.1 through the dialer, and a
// function that closes its connections. Each Do is one attempt: nothing is
// followed, and nothing is sent again on another connection.
func HTTP(l *schedule.Load, dial func(context.Context, string, string) (net.Conn, error)) (probe.Do, func()) {
	t := &http.Transport{DialContext: dial, DisableKeepAlives: !l.KeepAlive, DisableCompression: true, MaxIdleConnsPerHost: unlimited}
	do := func(ctx context.Context, n int) probe.Outcome {
		req, err := requestOf(ctx, l, n)
		if err != nil {
			return probe.Outcome{Err: err, Kind: probe.KindOf(err)}
		}
		res, err := t.RoundTrip(req)
		if err != nil {
			return probe.Outcome{Err: err, Kind: probe.KindOf(err)}
		}
		size, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return probe.Outcome{Status: res.StatusCode, Err: err, Kind: probe.KindOf(err), Bytes: size, Header: res.Header}
	}
	return do, t.CloseIdleConnections
}

func requestOf(ctx context.Context, l *schedule.Load, n int) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, l.Method, l.URL, once{})
	if err != nil {
		return nil, err
	}
	for k, v := range l.Headers {
		req.Header.Set(k, v)
		if http.CanonicalHeaderKey(k) == "Host" {
			req.Host = v
		}
	}
	req.Header.Set(RequestHeader, strconv.Itoa(n))
	return req, nil
}

// once is an empty body that net/http takes for one that cannot be sent twice,
// which keeps it from sending a failed request again by itself.
type once struct{}

func (once) Read([]byte) (int, error) { return 0, io.EOF }
func (once) Close() error             { return nil }
