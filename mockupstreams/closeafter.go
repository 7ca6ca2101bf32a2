package mockupstreams

import "fmt"

// closeAfter does not announce the end with "Connection: close": a polite end
// costs no client a request. The one that comes too late is what hurts, as when
// a server's idle timeout is shorter than the proxy's.
var closeAfter = Behaviour{
	Name:  "closeAfter",
	Value: "a number of requests, 1 or more",
	Doc: "answers this many requests on a connection; the next one on it gets no byte of an answer but a closed connection (FIN); " +
		"requests before the fault count, and first and every count only the requests that come too late",
	Example: `{"name": "impatient", "closeAfter": 2}`,

	set: func(f Fault) bool { return f.CloseAfter != 0 },
	check: func(f Fault) error {
		if f.CloseAfter < 1 {
			return fmt.Errorf("closeAfter: found %d, expected 1 or more", f.CloseAfter)
		}
		return nil
	},
	ready: func(f Fault, carried int) bool { return carried >= f.CloseAfter },
	answer: func(x *exchange, _ Fault) {
		if x.conn != nil {
			x.conn.finish()
		}
		x.abort = true
	},
}
