package live

import (
	"context"
	"net"
	"net/http"

	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
)

// RequestHeader carries the number of a request, so that a proxy's record can
// be found for it.
const RequestHeader = "X-Faildrill-Request"

// HTTP is the Do of a client that speaks HTTP/1.1 through the dialer, and a
// function that closes its connections. A load that cannot be sent fails
// request by request.
func HTTP(l *schedule.Load, dial func(context.Context, string, string) (net.Conn, error)) (probe.Do, func()) {
	o := probe.HTTPOptions{
		Method: l.Method, URL: l.URL, Header: http.Header{}, NumberHeader: RequestHeader, KeepAlive: l.KeepAlive, Dial: dial,
	}
	for k, v := range l.Headers {
		o.Header.Set(k, v)
	}
	o.Host = o.Header.Get("Host")
	o.Header.Del(RequestHeader)
	do, closeIdle, err := probe.HTTP(o)
	if err != nil {
		failed := probe.Outcome{Err: err, Kind: probe.KindOf(err)}
		return probe.Blocking(func(context.Context, int) probe.Outcome { return failed }), func() {}
	}
	return do, closeIdle
}
