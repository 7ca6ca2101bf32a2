package mockupstreams

import (
	"fmt"
	"time"
)

var delay = Behaviour{
	Name:    "delay",
	Value:   "a positive duration; jitter beside it, at most as long, spreads it evenly to both sides",
	Doc:     "waits before the answer; delays of several faults add up",
	Example: `{"name": "far", "delay": "200ms", "jitter": "50ms"}`,

	set: func(f Fault) bool { return f.Delay != 0 },
	check: func(f Fault) error {
		if f.Delay < 0 {
			return fmt.Errorf("delay: found %v, expected a positive duration", f.Delay)
		}
		if f.Jitter < 0 || f.Jitter > f.Delay {
			return fmt.Errorf("jitter: found %v, expected 0s to the delay of %v", f.Jitter, f.Delay)
		}
		return nil
	},
	delay: func(f Fault, draw func() float64) time.Duration {
		if f.Jitter == 0 {
			return time.Duration(f.Delay)
		}
		return time.Duration(f.Delay) + time.Duration((2*draw()-1)*float64(f.Jitter))
	},
}
