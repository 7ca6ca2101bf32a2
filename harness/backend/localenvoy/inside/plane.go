package inside

import (
	"context"
	"time"
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
	// restart restarts it; restarted waits until the new one has answered every proxy, and
	// says so. "": there is nothing to restart.
	restart(ctx context.Context, step int) error
	restarted(ctx context.Context, step int) (string, error)
	// broke waits until the drill is over, or says what ended that the drill needs.
	broke(context.Context) error
	stop()
}
