package mockupstreams

import (
	"maps"
	"time"
)

// attemptsKept is how many attempts an upstream remembers.
const attemptsKept = 4096

// An Attempt is one request that reached the upstream, recorded when it ended.
type Attempt struct {
	At         time.Time `json:"at"`         // when its headers had arrived
	N          int       `json:"n"`          // its number in order of arrival, from 1
	Port       int       `json:"port"`       // the listening port
	Proto      string    `json:"proto"`      // "HTTP/1.1", "HTTP/2.0"
	Method     string    `json:"method"`     //
	Path       string    `json:"path"`       //
	Status     int       `json:"status"`     // as sent; 0 when the client got none
	Fault      string    `json:"fault"`      // the faults that hit, in order of application, joined by commas; "" when healthy
	DurationMs float64   `json:"durationMs"` // from At to the end of the answer
}

// Counts are what an upstream saw since its start or the last reset. Connects
// to a port that refuses are answered by the kernel and counted nowhere.
type Counts struct {
	Requests    int                `json:"requests"`    // arrived, whether or not they have ended
	Connections int                `json:"connections"` // accepted
	ByStatus    map[int]int        `json:"byStatus"`    // ended, by the status sent; 0: without any
	ByFault     map[string]int     `json:"byFault"`     // hits, counted when the request arrives
	ByPort      map[int]PortCounts `json:"byPort"`      // by listening port
	TLS         *TLSCounts         `json:"tls,omitempty"`
}

// PortCounts are the part of Counts that arrived on one port.
type PortCounts struct {
	Requests    int `json:"requests"`
	Connections int `json:"connections"`
}

// A record is the upstream's memory. Its owner locks.
type record struct {
	Counts
	kept    []Attempt // a ring once it is full
	next    int       // where the ring goes on
	dropped int
}

func newRecord(withTLS bool) record {
	r := record{Counts: Counts{ByStatus: map[int]int{}, ByFault: map[string]int{}, ByPort: map[int]PortCounts{}}}
	if withTLS {
		r.TLS = &TLSCounts{ByServerName: map[string]int{}, ByClient: map[string]int{}}
	}
	return r
}

func (r *record) connected(port int) {
	r.Connections++
	p := r.ByPort[port]
	p.Connections++
	r.ByPort[port] = p
}

// arrived counts a request and gives it its number.
func (r *record) arrived(port int, hits []string) int {
	r.Requests++
	p := r.ByPort[port]
	p.Requests++
	r.ByPort[port] = p
	for _, name := range hits {
		r.ByFault[name]++
	}
	return r.Requests
}

func (r *record) ended(a Attempt) {
	r.ByStatus[a.Status]++
	if len(r.kept) < attemptsKept {
		r.kept = append(r.kept, a)
		return
	}
	r.kept[r.next] = a
	r.next = (r.next + 1) % attemptsKept
	r.dropped++
}

func (r *record) attempts() []Attempt {
	all := make([]Attempt, 0, len(r.kept))
	return append(append(all, r.kept[r.next:]...), r.kept[:r.next]...)
}

func (r *record) counts() Counts {
	c := r.Counts
	c.ByStatus = maps.Clone(c.ByStatus)
	c.ByFault = maps.Clone(c.ByFault)
	c.ByPort = maps.Clone(c.ByPort)
	if c.TLS != nil {
		t := *c.TLS
		t.ByServerName, t.ByClient = maps.Clone(t.ByServerName), maps.Clone(t.ByClient)
		c.TLS = &t
	}
	return c
}
