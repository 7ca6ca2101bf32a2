package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
)

// longestLine bounds a message: a config dump at most.
const longestLine = 64 << 20

// call is what the harness asks for; one field beside the number is set.
type call struct {
	ID     int64          `json:"id"`
	Clock  bool           `json:"clock,omitempty"`
	Load   *schedule.Load `json:"load,omitempty"`
	Send   *send          `json:"send,omitempty"`
	Cancel int64          `json:"cancel,omitempty"` // the call that is given up
	Get    string         `json:"get,omitempty"`    // a URL
	HTTP   *request       `json:"http,omitempty"`
	Read   *read          `json:"read,omitempty"`
	Dial   string         `json:"dial,omitempty"`   // host:port
	Shows  string         `json:"shows,omitempty"`  // a fault of TLS, of what Dial names
	Silent bool           `json:"silent,omitempty"` // whether nobody answers there
	DNS    *names         `json:"dns,omitempty"`
	Answer *answered      `json:"answer,omitempty"` // to question ID
}

// request is one of HTTP that is sent once, whatever its answer is.
type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   []byte `json:"body,omitempty"`
}

// send is request N of the load with a number.
type send struct {
	Load int64 `json:"load"`
	N    int   `json:"n"`
}

// read is a part of a file, from an offset to its end, at most so many bytes.
type read struct {
	Name string `json:"name"`
	From int64  `json:"from"`
	Most int64  `json:"most"`
}

// names starts the DNS server.
type names struct {
	Listen  string `json:"listen"`
	Forward string `json:"forward"`
}

type answered struct {
	Answer dnsserver.Answer `json:"answer"`
}

// reply is what the agent says; Question begins a talk of its own.
type reply struct {
	ID       int64         `json:"id"`
	Now      time.Time     `json:"now,omitzero"`
	Took     time.Duration `json:"took,omitempty"` // by the agent's clock, until now
	Data     []byte        `json:"data,omitempty"`
	Status   int           `json:"status,omitempty"`  // of what HTTP asked
	Missing  bool          `json:"missing,omitempty"` // the file does not exist
	Shown    bool          `json:"shown,omitempty"`   // the fault of TLS, or the silence
	Outcome  *outcome      `json:"outcome,omitempty"`
	Error    string        `json:"error,omitempty"`
	Kind     string        `json:"kind,omitempty"`     // of the error, as package probe has it
	Question *string       `json:"question,omitempty"` // a name
}

// outcome is a probe.Outcome.
type outcome struct {
	Status   int        `json:"status,omitempty"`
	Error    string     `json:"error,omitempty"`
	Kind     probe.Kind `json:"kind,omitempty"`
	Upstream string     `json:"upstream,omitempty"`
	Bytes    int64      `json:"bytes,omitempty"`
	// Took is how long the request took in the pod, in nanoseconds.
	Took time.Duration `json:"took"`
}

// lines writes messages without making anybody wait for the stream.
type lines struct {
	mu     sync.Mutex
	wake   *sync.Cond
	queue  [][]byte
	closed bool
	err    error
	done   chan struct{}
}

func newLines(w io.Writer) *lines {
	l := &lines{done: make(chan struct{})}
	l.wake = sync.NewCond(&l.mu)
	go l.write(w)
	return l
}

func (l *lines) write(w io.Writer) {
	defer close(l.done)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.wake.Wait()
		}
		queue, closed := l.queue, l.closed
		l.queue = nil
		l.mu.Unlock()
		for _, line := range queue {
			if _, err := w.Write(line); err != nil {
				l.mu.Lock()
				l.err, l.closed, l.queue = err, true, nil
				l.mu.Unlock()
				return
			}
		}
		if closed && len(queue) == 0 {
			return
		}
	}
}

func (l *lines) send(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.Join(errEnded, l.err)
	}
	l.queue = append(l.queue, append(line, '\n'))
	l.wake.Signal()
	return nil
}

// close lets what was sent be written, unless the stream is broken or stuck.
func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	l.wake.Signal()
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(time.Second):
	}
}

var errEnded = errors.New("the stream has ended")

// receive calls f with each message until the stream ends.
func receive[M any](r io.Reader, f func(*M)) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<16), longestLine)
	for s.Scan() {
		var m M
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			return fmt.Errorf("reading %.100q: %w", s.Bytes(), err)
		}
		f(&m)
	}
	return s.Err()
}
