package mockupstreams

var reset = Behaviour{
	Name:  "reset",
	Value: "true",
	Doc: "reads the request's headers, then resets the TCP connection before any byte of an answer; " +
		"on HTTP/2 the connection's other requests go with it",
	Example: `{"name": "crashing", "reset": true, "every": 3}`,

	set:   func(f Fault) bool { return f.Reset },
	check: func(Fault) error { return nil },
	answer: func(x *exchange, _ Fault) {
		if x.conn != nil {
			x.conn.reset()
		}
		x.abort = true
	},
	fails: always,
	early: true,
}
