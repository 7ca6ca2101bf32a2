package mockupstreams

// refuse has no answer: Server.shut closes the listeners and Server.open opens them.
var refuse = Behaviour{
	Name:  "refuse",
	Value: "true",
	Doc: "stops listening: connects get ECONNREFUSED, idle connections are closed, running requests end first; " +
		"the same address listens again when it heals",
	Example: `{"name": "down", "refuse": true, "for": "30s"}`,
	Keys:    []string{"port", "for"},

	set:   func(f Fault) bool { return f.Refuse },
	check: func(Fault) error { return nil },
}
