// Package child plays a schedule in a program of its own: for a backend whose
// libraries are heavy, or that needs a process for itself.
//
//	err := child.Run(ctx, cmd, job, sink)             // in the parent, per play
//
//	os.Exit(child.Serve(func(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) { ... }, nil))    // in the child
//
// The child reads from file 3, a line at a time: the job, then "cancel" to be
// interrupted. When that file ends, the parent is gone, and the child ends at once;
// unless the play has ended, something is to go on after it, and the parent said "keep". It
// writes to file 4 what it sees: a JSON object a line. Its standard error goes to
// the error that says why it died.
package child

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

// The files of a child, beside the three that every program has.
const (
	jobFile    = 3
	eventsFile = 4
)

const (
	wordCancel  = "cancel"
	wordKeep    = "keep"
	wordWritten = "written" // the entry of the undo journal is on the disk
	// longestLine bounds a message: evidence is a config dump at most.
	longestLine = 64 << 20
)

// message is one line of a child; one of its fields is set.
type message struct {
	Event    json.RawMessage `json:"event,omitempty"`
	Evidence *evidence       `json:"evidence,omitempty"`
	Undo     *backend.Undo   `json:"undo,omitempty"`
	Result   *outcome        `json:"result,omitempty"`
}

type evidence struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// outcome is the child's last message.
type outcome struct {
	Error    string                 `json:"error,omitempty"`
	Canceled bool                   `json:"canceled,omitempty"`
	Rejected *backend.RejectedError `json:"rejected,omitempty"`
	Rests    bool                   `json:"rests,omitempty"` // the child waits to be kept
}

// err is the error that the play returned in the child.
func (o *outcome) err() error {
	switch {
	case o.Rejected != nil:
		return o.Rejected
	case o.Error != "":
		return errors.New(o.Error)
	}
	return nil
}

// deliver hands a message to the sink, and says when an entry of the journal is
// written. The last message is returned.
func (m *message) deliver(sink backend.Sink, written func() error) (*outcome, error) {
	switch {
	case m.Event != nil:
		e, err := trace.ParseLine(m.Event)
		if err != nil {
			return nil, fmt.Errorf("reading what it sees: %w", err)
		}
		sink.Event(e)
	case m.Evidence != nil:
		sink.Evidence(m.Evidence.Name, m.Evidence.Data)
	case m.Undo != nil:
		if err := sink.Undo(*m.Undo); err != nil {
			return nil, err
		}
		return nil, written()
	case m.Result != nil:
		return m.Result, nil
	}
	return nil, nil
}
