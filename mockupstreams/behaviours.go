package mockupstreams

import "time"

// A Behaviour is one way to misbehave. To add one: a key in Fault, a file with
// its variable, a test beside it, a line in Behaviours.
type Behaviour struct {
	Name    string   // the key in JSON and YAML
	Value   string   // what the key takes
	Doc     string   // one line: what a client meets
	Example string   // a whole fault, as JSON
	Keys    []string // the match keys that are allowed beside it; nil means all

	// set says whether a fault asks for this behaviour; check judges its values.
	set   func(Fault) bool
	check func(Fault) error

	// A behaviour of requests has one of these two. Delays of several faults
	// add up; of the answers, the fault that was applied first decides.
	delay  func(f Fault, draw func() float64) time.Duration
	answer func(*exchange, Fault)

	// ready, if any, is asked before the Selector, with the number of requests
	// that the connection has carried before this one.
	ready func(f Fault, carried int) bool
	// fails, if any, says that a request that is hit cannot end in success.
	fails func(Fault) bool
	// early means that the answer does not wait for the request's body.
	early bool
}

// Behaviours lists everything that an upstream can do wrong, by name.
var Behaviours = []Behaviour{
	blackhole,
	closeAfter,
	delay,
	hang,
	pause,
	refuse,
	reset,
	slowBody,
	status,
	tlsFault,
}

func behaviourNames() []string {
	var names []string
	for _, b := range Behaviours {
		names = append(names, b.Name)
	}
	return names
}

// always is for behaviours whose hits never end well.
func always(Fault) bool { return true }
