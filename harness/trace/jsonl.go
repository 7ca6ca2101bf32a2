package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine bounds an event line when reading: an endpoint table of 10 000 rows is about 3 MB.
const maxLine = 16 << 20

// line is an event with its kind in front.
type line struct {
	Kind  string `json:"kind"`
	Event any    `json:"event"`
}

// AppendLine appends the event as one line of JSON, the newline included.
func AppendLine(b []byte, e Event) ([]byte, error) {
	j, err := json.Marshal(line{e.kind(), e})
	if err != nil {
		return b, fmt.Errorf("encoding a %s event: %w", e.kind(), err)
	}
	return append(append(b, j...), '\n'), nil
}

// Events calls f for every event in the order in which they are written: the
// run, the hosts, then each kind in order of time, and the end mark.
func (t *Trace) Events(f func(Event) error) error {
	if err := f(t.Run); err != nil {
		return err
	}
	if err := each(t.Hosts, f); err != nil {
		return err
	}
	return t.happened(f)
}

// happened calls f for every event after the run and its hosts.
func (t *Trace) happened(f func(Event) error) error {
	if err := each(t.Steps, f); err != nil {
		return err
	}
	if err := each(t.Changes, f); err != nil {
		return err
	}
	if err := each(t.Loads, f); err != nil {
		return err
	}
	if err := each(t.Endpoints, f); err != nil {
		return err
	}
	for a := range t.AllAttempts() {
		if err := f(*a); err != nil {
			return err
		}
	}
	for r := range t.AllRequests() {
		if err := f(*r); err != nil {
			return err
		}
	}
	if err := each(t.Notes, f); err != nil {
		return err
	}
	if t.Refusal != nil {
		if err := f(*t.Refusal); err != nil {
			return err
		}
	}
	if t.Ended {
		return f(End{t.Run.Duration})
	}
	return nil
}

// Drain calls f for every event like Events and forgets all but the hosts, which
// later events refer to. Only the first part of a trace begins with its run.
func (t *Trace) Drain(f func(Event) error) error {
	if !t.drained.begun {
		if err := f(t.Run); err != nil {
			return err
		}
	}
	if err := each(t.Hosts[t.drained.hosts:], f); err != nil {
		return err
	}
	err := t.happened(f)
	*t = Trace{Run: t.Run, Hosts: t.Hosts, drained: drained{true, len(t.Hosts)}}
	return err
}

// drained is how much of a trace was handed over.
type drained struct {
	begun bool
	hosts int
}

func each[E Event](es []E, f func(Event) error) error {
	for _, e := range es {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// Write writes the trace as JSON lines.
func Write(w io.Writer, t *Trace) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	var b []byte
	err := t.Events(func(e Event) error {
		var err error
		if b, err = AppendLine(b[:0], e); err != nil {
			return err
		}
		_, err = bw.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return bw.Flush()
}

// Read reads JSON lines into a trace. A line that is not an event is an error
// with its number; a missing end mark leaves Ended false. References that
// point nowhere are errors too, so that later code can index freely.
func Read(r io.Reader) (*Trace, error) {
	t := &Trace{}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<16), maxLine)
	n := 0
	for s.Scan() {
		n++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		e, err := ParseLine(s.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		t.Add(e)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if t.Run.Schema != Schema {
		return nil, fmt.Errorf("line 1: schema %q; expected %q", t.Run.Schema, Schema)
	}
	return t, t.validate()
}

// ParseLine reads what AppendLine wrote.
func ParseLine(b []byte) (Event, error) {
	if kind, event, ok := parts(b); ok {
		if e, err := parse(kind, event); err == nil {
			return e, nil
		}
	}
	var l struct {
		Kind  string          `json:"kind"`
		Event json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("not a JSON event: %w", err)
	}
	return parse(l.Kind, l.Event)
}

// parts takes a line apart that is spelled as AppendLine spells it, so that its event
// is read once. What is between the parts has to be one value of JSON by itself.
func parts(b []byte) (kind string, event []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(`{"kind":"`))
	if !ok {
		return "", nil, false
	}
	name, rest, ok := bytes.Cut(rest, []byte(`","event":`))
	if !ok {
		return "", nil, false
	}
	event, ok = bytes.CutSuffix(bytes.TrimSpace(rest), []byte("}"))
	return string(name), event, ok
}

func parse(kind string, event []byte) (Event, error) {
	switch kind {
	case "run":
		return decode[Run](event)
	case "host":
		return decode[Host](event)
	case "step":
		return decode[Step](event)
	case "attempt":
		return decode[Attempt](event)
	case "request":
		return decode[Request](event)
	case "change":
		return decode[Change](event)
	case "load":
		return decode[Load](event)
	case "endpoints":
		return decode[Endpoints](event)
	case "note":
		return decode[Note](event)
	case "refusal":
		return decode[Refusal](event)
	case "end":
		return decode[End](event)
	}
	return nil, fmt.Errorf("unknown event kind %q", kind)
}

func decode[E Event](b []byte) (Event, error) {
	var e E
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, fmt.Errorf("reading a %s event: %w", e.kind(), err)
	}
	return e, nil
}

// validate checks that every index refers to something.
func (t *Trace) validate() error {
	nh, nu, nc := len(t.Hosts), len(t.Run.Upstreams), len(t.Run.Clients)
	in := func(i int32, n int, least int32) bool { return i >= least && int(i) < n }
	for i, h := range t.Hosts {
		if int(h.Index) != i || !in(h.Upstream, nu, -1) || !in(h.Client, nc, 0) {
			return fmt.Errorf("host %d: index %d, upstream %d, client %d do not fit the run", i, h.Index, h.Upstream, h.Client)
		}
	}
	for i, a := range t.Attempts {
		if !in(a.Host, nh, -1) || !in(a.Client, nc, 0) {
			return fmt.Errorf("attempt %d: host %d or client %d is not in the run", i, a.Host, a.Client)
		}
	}
	for i, r := range t.Requests {
		if !in(r.Host, nh, -1) || !in(r.Upstream, nu, -1) || !in(r.Client, nc, 0) {
			return fmt.Errorf("request %d: host %d, upstream %d or client %d is not in the run", i, r.Host, r.Upstream, r.Client)
		}
	}
	for i, c := range t.Changes {
		if !in(c.Host, nh, 0) || !in(c.Client, nc, 0) {
			return fmt.Errorf("change %d: host %d or client %d is not in the run", i, c.Host, c.Client)
		}
	}
	for i, s := range t.Steps {
		if !in(s.Upstream, nu, -1) {
			return fmt.Errorf("step %d: upstream %d is not in the run", i, s.Upstream)
		}
	}
	for i, l := range t.Loads {
		if !in(l.Client, nc, 0) || len(l.Percent) != len(l.Panic) {
			return fmt.Errorf("load %d: client %d is not in the run, or percent and panic differ in length", i, l.Client)
		}
	}
	for _, es := range t.Endpoints {
		for i, r := range es.Rows {
			if !in(r.Host, nh, -1) || !in(r.Upstream, nu, -1) || !in(r.Client, nc, 0) {
				return fmt.Errorf("endpoint row %d at %v: host, upstream or client is not in the run", i, es.At.D())
			}
		}
	}
	return nil
}
