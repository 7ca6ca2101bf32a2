package mockupstreams

import "fmt"

// blackhole has no answer: Server.shut makes the listeners deaf.
var blackhole = Behaviour{
	Name:  "blackhole",
	Value: "true",
	Doc: "leaves connects unanswered, as a network that is gone does (Linux only): idle connections are closed, " +
		"running requests end first; connects are answered again when it heals",
	Example: `{"name": "lost", "blackhole": true, "for": "30s"}`,
	Keys:    []string{"port", "for"},

	set: func(f Fault) bool { return f.Blackhole },
	check: func(Fault) error {
		if !losesSYNs {
			return fmt.Errorf("blackhole: on this system a listening socket answers every SYN; let the dialer in front of it drop connects: %w", ErrUnsupported)
		}
		return nil
	},
}
