package mockupstreams

import (
	"fmt"
	"net/http"
)

var status = Behaviour{
	Name:    "status",
	Value:   "a status code, 200 to 599",
	Doc:     "answers with this status code and a body that names the fault",
	Example: `{"name": "flaky", "status": 503, "percentage": 50}`,

	set: func(f Fault) bool { return f.Status != 0 },
	check: func(f Fault) error {
		// 1xx cannot end a request, and Go's server sends none as an answer.
		if f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("status: found %d, expected 200 to 599", f.Status)
		}
		return nil
	},
	answer: func(x *exchange, f Fault) {
		x.answer(f.Status, fmt.Sprintf("fault %s: %d %s\n", f.Name, f.Status, http.StatusText(f.Status)))
	},
	fails: func(f Fault) bool { return f.Status >= 500 },
}
