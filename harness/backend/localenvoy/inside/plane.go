package inside

import (
	"context"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
)

// controlPlane gives the proxies their configuration.
type controlPlane interface {
	// start starts what the proxies ask, and then the proxies.
	start(context.Context) error
	// begin is called when the clock was set: 0 s is at the origin.
	begin(ctx context.Context, origin time.Time) error
	// configure hands over a configuration of the schedule.
	configure(ctx context.Context, config int) error
	// target is the address a client connects to, and the logs of its requests.
	target(client int) string
	accessLog(client int) string
	upstreamLog(client int) string // "": there is none
	// broke waits until the drill is over, or says what ended that the drill needs.
	broke(context.Context) error
	stop()
}

// taken waits until a proxy has taken more updates than before, no cluster warms,
// and that has been so for a while; what it refuses is an error.
func (x *proxy) taken(ctx context.Context, before, refused int64, quiet time.Duration) error {
	last, since := int64(-1), time.Now()
	err := x.await(ctx, "had taken its configuration", func() (bool, error) {
		now, no, warming, err := x.updates()
		if err != nil {
			return false, nil // it starts, or is busy
		}
		if no > refused {
			return false, x.refused()
		}
		if now != last || warming {
			last, since = now, time.Now()
		}
		return now > before && !warming && time.Since(since) >= quiet, nil
	})
	if err != nil {
		return err
	}
	return x.dump()
}

// refused is the error of a proxy that refuses its configuration.
func (x *proxy) refused() error { return &backend.RejectedError{By: "Envoy", Reason: x.reason()} }
