package inside

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/sidecar"
)

// Play is the play of package child.
func Play(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) {
	var j localenvoy.Job
	if err := json.Unmarshal(job, &j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	place, err := enter(&j)
	if err != nil {
		return nil, err
	}
	defer place.leave()
	p, err := newPlayer(&j, place, sink)
	if err != nil {
		return nil, err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.fail = fail
	if _, err = live.Play(ctx, j.Schedule, p, p.book); err != nil || p.o.Keep == nil {
		return nil, err
	}
	return p.stay()
}

// addressesOf are the addresses that the schedule uses.
func addressesOf(s *schedule.Schedule) []netip.Addr {
	var ips []netip.Addr
	for i := range s.Upstreams {
		ips = append(ips, s.Upstreams[i].IPs...)
	}
	for _, cs := range s.Configs {
		for i := range cs {
			for j := range cs[i].Clusters {
				for _, h := range engine.HostsOf(&cs[i].Clusters[j], s) {
					if a, err := netip.ParseAddrPort(h.Address); err == nil {
						ips = append(ips, a.Addr())
					}
				}
			}
		}
	}
	return ips
}

// player plays one schedule once.
type player struct {
	s            *schedule.Schedule
	o            localenvoy.Options
	place        place
	sink         backend.Sink  // of the parent
	book         *sidecar.Book // in front of it
	net          *network
	certificates *certificates.Set
	plane        controlPlane
	proxies      []*proxy // by client; of a packed play all the same

	fail         context.CancelCauseFunc // ends the play, which cannot go on
	begun        chan struct{}           // closed when the proxies have what they have at 0 s
	watching     sync.WaitGroup
	stopWatching context.CancelFunc

	mu      sync.Mutex // guards what follows
	origin  time.Time
	refused error               // why the proxies have nothing at 0 s
	closing []func()            // connections of the load
	shares  []map[int32]float64 // by client: of its last requests, by host
	answers [][]answer          // by endpoint table
}

func newPlayer(j *localenvoy.Job, at place, sink backend.Sink) (*player, error) {
	c, err := certificates.New()
	if err != nil {
		return nil, err
	}
	p := &player{certificates: c, s: j.Schedule, o: j.Options, place: at, sink: sink, book: sidecar.NewBook(j.Schedule, sink), begun: make(chan struct{})}
	p.net = newNetwork(p)
	if p.o.ControlPlane == localenvoy.Builtin {
		p.plane = &builtin{p: p}
	} else {
		p.plane = &fromIstiod{p: p}
	}
	return p, nil
}

// Name is the backend's.
func (p *player) Name() string { return localenvoy.Backend{}.Name() }

// since is the offset from 0 s; 0 before the drill has begun.
func (p *player) since() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.origin.IsZero() {
		return 0
	}
	return max(0, time.Since(p.origin))
}

// path is a file of the play.
func (p *player) path(parts ...string) string {
	return filepath.Join(append([]string{p.place.dir()}, parts...)...)
}

// keep hands a file over as evidence, its end if it is long.
func (p *player) keep(name, path string) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return // never written
	}
	const most = 4 << 20
	if over := len(b) - most; over > 0 {
		b = b[over:]
	}
	p.sink.Evidence(name, b)
}
