package observe

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Input is what is known of a run.
type Input struct {
	Schedule *schedule.Schedule
	Hosts    *Hosts    // of the schedule; nil: Merge numbers them
	Origin   time.Time // the wall clock at 0 s
	Steps    []trace.Step
	Requests []trace.Request // as the clients saw them
	Clients  []Client        // by client of the schedule
}

// Client is what the proxy of one client left behind.
type Client struct {
	Access      []Line
	Upstream    []Line
	UpstreamLog bool // the proxy wrote one
	Outlier     []Event
	Polls       []Poll // in order of time
	Built       []Built
	Busy        []Busy
	Waits       []Wait
}

// Busy is a while in which the proxy's main thread was asked for something else.
type Busy struct {
	End time.Time
	For time.Duration
}

// Wait is how long the proxy's threads were ready to run and did not, of a while.
type Wait struct {
	End     time.Time
	For, Of time.Duration
}

// Output is what a trace says of the proxies.
type Output struct {
	Hosts    []trace.Host
	Loads    []trace.Load // as they follow from the changes
	Changes  []trace.Change
	Attempts []trace.Attempt
	Requests []trace.Request
	Notes    []trace.Note
}

// Events are all of them, the hosts first.
func (o *Output) Events() []trace.Event {
	var out []trace.Event
	out = add(out, o.Hosts)
	out = add(out, o.Loads)
	out = add(out, o.Changes)
	out = add(out, o.Attempts)
	out = add(out, o.Requests)
	return add(out, o.Notes)
}

func add[E trace.Event](out []trace.Event, es []E) []trace.Event {
	for _, e := range es {
		out = append(out, e)
	}
	return out
}

// Merge puts together what the clients saw and what their proxies wrote down. The
// events of each kind are in order of time.
func Merge(in Input) Output {
	m := merger{in: in, hosts: in.Hosts}
	if m.hosts == nil {
		m.hosts = NewHosts(in.Schedule)
	}
	m.out.Requests = slices.Clone(in.Requests)
	for i := range in.Clients {
		m.client(int32(i), &in.Clients[i])
	}
	m.out.Hosts = m.hosts.Rows
	slices.SortStableFunc(m.out.Loads, func(a, b trace.Load) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(m.out.Changes, func(a, b trace.Change) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(m.out.Attempts, func(a, b trace.Attempt) int { return cmp.Compare(a.Done, b.Done) })
	slices.SortStableFunc(m.out.Notes, func(a, b trace.Note) int { return cmp.Compare(a.At, b.At) })
	return m.out
}

type merger struct {
	in    Input
	hosts *Hosts
	out   Output
}

func (m *merger) client(client int32, c *Client) {
	m.busy(c)
	as := m.attempts(client, c)
	as = m.complete(client, c, as)
	together(as)
	changes := m.changes(client, c, as)
	m.out.Changes = append(m.out.Changes, changes...)
	m.out.Changes = append(m.out.Changes, m.members(client, c, as)...)
	m.out.Changes = append(m.out.Changes, m.overflows(client, c, as, changes)...)
	m.out.Attempts = append(m.out.Attempts, as...)
	m.loads(client, c, changes)
}

// busy notes when the proxy's main thread had something else to do, or no processor, for longer than it
// may take to decide what follows from a result. Clients that share a proxy tell the same.
func (m *merger) busy(c *Client) {
	for _, b := range inOneGo(c.Busy) {
		if end := m.at(b.End); trace.Sec(b.For) <= hop || end < 0 || end-trace.Sec(b.For) > m.in.Schedule.Duration {
			continue
		}
		if n := trace.Busy(m.at(b.End), b.For); !slices.Contains(m.out.Notes, n) {
			m.out.Notes = append(m.out.Notes, n)
		}
	}
	for _, w := range c.Waits {
		if end := m.at(w.End); trace.Sec(w.For) <= hop || end < 0 || end-trace.Sec(w.Of) > m.in.Schedule.Duration {
			continue
		}
		if n := trace.Waited(m.at(w.End), w.For, w.Of); !slices.Contains(m.out.Notes, n) {
			m.out.Notes = append(m.out.Notes, n)
		}
	}
}

// catchUp is how long the main thread has to have nothing else to do to decide what it
// has not yet: two requests that follow each other at once keep it busy as one.
const catchUp = time.Millisecond

// inOneGo joins whiles that overlap or follow each other at once.
func inOneGo(bs []Busy) []Busy {
	begin := func(b Busy) time.Time { return b.End.Add(-b.For) }
	bs = slices.Clone(bs)
	slices.SortFunc(bs, func(x, y Busy) int { return begin(x).Compare(begin(y)) })
	var out []Busy
	for _, b := range bs {
		if n := len(out) - 1; n >= 0 && begin(b).Sub(out[n].End) <= catchUp {
			if b.End.After(out[n].End) {
				out[n] = Busy{End: b.End, For: b.End.Sub(begin(out[n]))}
			}
			continue
		}
		out = append(out, b)
	}
	return out
}

func (m *merger) note(at trace.Sec, format string, args ...any) {
	m.out.Notes = append(m.out.Notes, trace.Note{At: at, Text: fmt.Sprintf(format, args...)})
}

// at is an offset from the start of the drill.
func (m *merger) at(t time.Time) trace.Sec { return trace.Sec(t.Sub(m.in.Origin)) }

// configAt is the configuration at an instant.
func (m *merger) configAt(at trace.Sec) int {
	config := 0
	for _, st := range m.in.Steps {
		if st.Kind == schedule.KindConfig && st.Done <= at {
			config = m.in.Schedule.Steps[st.Index].Config
		}
	}
	return config
}

func (m *merger) clusterAt(client int32, cluster string, at trace.Sec) *xds.Cluster {
	return m.in.Schedule.Configs[m.configAt(at)][client].Cluster(cluster)
}

func (m *merger) find(client int32, l *Line, at trace.Sec) int32 {
	if l.Host == "" {
		return -1
	}
	return m.hosts.Find(client, l.Cluster, l.Host, l.HostName, m.configAt(at))
}
