package mockupstreams

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// An exchange is one request on its way to an answer: what was decided for it,
// what a behaviour needs to act on it, and what has become of it.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	conn *conn           // nil where there is no socket, in tests
	done <-chan struct{} // closed when the upstream closes

	upstream string
	body     string
	n        int // its number
	port     int
	at       time.Time

	delay    time.Duration // of all faults together
	fault    *applied      // the one that answers; nil: healthy
	hits     []string      // the names of all faults that hit
	status   int           // what was sent; 0: nothing
	complete bool          // the whole answer was handed over
	abort    bool          // the connection or stream must not be ended politely
}

// play is the life of a request after the decision.
func (x *exchange) play() {
	if x.fault == nil || !x.fault.behaviour.early {
		// Only with the body read does net/http notice that a client has left,
		// and only then does a close send FIN and not RST.
		if _, err := io.Copy(io.Discard, x.r.Body); err != nil {
			x.abort = true
			return
		}
	}
	if !x.wait(x.delay) {
		x.abort = true
		return
	}
	if x.fault == nil {
		x.answer(http.StatusOK, x.body)
		return
	}
	x.fault.behaviour.answer(x, x.fault.Fault)
}

// answer sends a whole answer.
func (x *exchange) answer(status int, body string) {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		body = "" // these have none
	}
	x.begin(status, len(body))
	x.complete = body == "" || x.send(body)
}

// begin writes the headers of an answer with a body of this many bytes.
func (x *exchange) begin(status, length int) {
	h := x.w.Header()
	h.Set("X-Upstream", x.upstream)
	if length > 0 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(length))
	}
	if x.conn != nil && (x.conn.port.refusing() || x.conn.retired.Load()) {
		h.Set("Connection", "close") // on HTTP/2 net/http turns this into GOAWAY
	}
	x.w.WriteHeader(status)
	x.status = status
}

// write sends a part of the body at once, and says whether that worked.
func (x *exchange) write(part string) bool {
	return x.send(part) && http.NewResponseController(x.w).Flush() == nil
}

// send hands a part of the body to net/http, which buffers it.
func (x *exchange) send(part string) bool {
	if x.r.Method == http.MethodHead {
		return true
	}
	_, err := io.WriteString(x.w, part)
	return err == nil
}

// wait returns true after d, or false as soon as the client or the upstream is gone.
func (x *exchange) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
	case <-x.done:
	}
	return false
}

// untilGone returns when the client has given up or the upstream closes.
func (x *exchange) untilGone() {
	select {
	case <-x.r.Context().Done():
	case <-x.done:
	}
}
