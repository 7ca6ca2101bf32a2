package mockupstreams

import (
	"fmt"
	"net/http"
	"time"
)

// slowPieces bounds the writes of one slow body; more would only cost packets.
const slowPieces = 20

var slowBody = Behaviour{
	Name:    "slowBody",
	Value:   "a positive duration",
	Doc:     "sends the headers at once and the body in up to 20 pieces spread over this time; the answer is complete and counts as a success",
	Example: `{"name": "dripping", "slowBody": "5s"}`,

	set: func(f Fault) bool { return f.SlowBody != 0 },
	check: func(f Fault) error {
		if f.SlowBody < 0 {
			return fmt.Errorf("slowBody: found %v, expected a positive duration", f.SlowBody)
		}
		return nil
	},
	answer: func(x *exchange, f Fault) {
		x.begin(http.StatusOK, len(x.body))
		x.write("") // the headers leave now
		pieces := min(slowPieces, len(x.body))
		for i := range pieces {
			if !x.wait(time.Duration(f.SlowBody)/time.Duration(pieces)) || !x.write(x.body[i*len(x.body)/pieces:(i+1)*len(x.body)/pieces]) {
				x.abort = true
				return
			}
		}
		x.complete = true
	},
}
