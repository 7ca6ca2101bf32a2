package kept

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// What a run is asked: one word in one line. The answer ends with the connection.
const (
	wordEndpoints = "endpoints"
	wordEnd       = "end"
)

// Table is the endpoints of a kept run as they are now.
type Table struct {
	At        float64  `json:"at"` // seconds since the drill's 0 s
	Upstreams []string `json:"upstreams"`
	Clients   []Client `json:"clients"`
}

// Client is the endpoints of one client's proxy.
type Client struct {
	Name string `json:"name"`
	Rows []Row  `json:"rows"`
	// Answer is what the proxy itself said (/clusters?format=json).
	Answer json.RawMessage `json:"answer"`
}

// Row is a line of the endpoint table.
type Row struct {
	trace.Row
	Share float64 `json:"share"` // 0..1, of the client's last requests that were answered by an upstream
}

// Run is what a kept run answers with.
type Run interface {
	Endpoints(context.Context) (Table, error)
}

// Serve answers on a control socket until the context is done or somebody asks for
// the end. It closes the listener.
func Serve(ctx context.Context, l net.Listener, r Run) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute)) // whoever asks and does not listen is let go
			if serve(ctx, c, r) {
				end()
			}
		}()
	}
}

// reply is the one line of an answer.
type reply struct {
	Table *Table `json:"table,omitempty"`
	Error string `json:"error,omitempty"`
}

// serve answers one word; it reports whether that was the end.
func serve(ctx context.Context, c net.Conn, r Run) (ends bool) {
	word, err := bufio.NewReader(io.LimitReader(c, 100)).ReadString('\n')
	if err != nil {
		return false
	}
	var out reply
	switch word = strings.TrimSpace(word); word {
	case wordEndpoints:
		t, err := r.Endpoints(ctx)
		if err != nil {
			out.Error = err.Error()
		} else {
			out.Table = &t
		}
	case wordEnd:
		ends = true
	default:
		out.Error = fmt.Sprintf("unknown word %q", word)
	}
	if err := json.NewEncoder(c).Encode(out); err != nil {
		return ends // who asked has gone
	}
	return ends
}

// ask sends a word to a run.
func (r Registry) ask(ctx context.Context, e Entry, word string) (reply, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", r.Socket(e.ID))
	if err != nil {
		return reply{}, fmt.Errorf("asking %s: %w", e.ID, err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var out reply
	if _, err := fmt.Fprintln(c, word); err != nil {
		return reply{}, fmt.Errorf("asking %s: %w", e.ID, err)
	}
	if err := json.NewDecoder(c).Decode(&out); err != nil {
		return reply{}, fmt.Errorf("asking %s: %w", e.ID, err)
	}
	if out.Error != "" {
		return reply{}, fmt.Errorf("asking %s: %s", e.ID, out.Error)
	}
	return out, nil
}

// Endpoints asks a run for its endpoints.
func (r Registry) Endpoints(ctx context.Context, e Entry) (Table, error) {
	out, err := r.ask(ctx, e, wordEndpoints)
	if err != nil {
		return Table{}, err
	}
	if out.Table == nil {
		return Table{}, fmt.Errorf("asking %s: it answered without a table", e.ID)
	}
	return *out.Table, nil
}
