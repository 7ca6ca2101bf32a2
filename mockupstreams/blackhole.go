package mockupstreams

import "fmt"

var blackhole = Behaviour{
	Name:    "blackhole",
	Value:   "true",
	Doc:     "leaves connects unanswered; an upstream cannot do this, the dialer in front of it (or a packet filter) has to",
	Example: `{"name": "lost", "blackhole": true}`,
	Keys:    []string{"port", "for"},

	set: func(f Fault) bool { return f.Blackhole },
	check: func(Fault) error {
		// The kernel answers a SYN before any program sees it.
		return fmt.Errorf("blackhole: a listening socket always answers a SYN; let the dialer in front of it drop connects: %w", ErrUnsupported)
	},
}
