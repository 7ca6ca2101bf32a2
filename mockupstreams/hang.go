package mockupstreams

import (
	"fmt"
	"net/http"
)

// The values of Fault.Hang.
const (
	HangHeaders = "headers" // reads the request and never answers
	HangBody    = "body"    // sends the headers and the first half of the body, then nothing
)

var hang = Behaviour{
	Name:    "hang",
	Value:   `"headers" (never answers) or "body" (stops in the middle of the body)`,
	Doc:     "reads the request and never ends the answer, until the client gives up or the upstream closes; healing frees later requests only",
	Example: `{"name": "stuck", "hang": "headers", "path": "/orders"}`,

	set: func(f Fault) bool { return f.Hang != "" },
	check: func(f Fault) error {
		if f.Hang != HangHeaders && f.Hang != HangBody {
			return fmt.Errorf("hang: found %q, expected %q or %q", f.Hang, HangHeaders, HangBody)
		}
		return nil
	},
	answer: func(x *exchange, f Fault) {
		if f.Hang == HangBody {
			x.begin(http.StatusOK, len(x.body))
			x.write(x.body[:len(x.body)/2])
		}
		x.untilGone()
		// Returning would have net/http end the answer on its own.
		x.abort = true
	},
	fails: always,
}
