package mockupstreams

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Duration is a time.Duration that JSON spells as Go and Istio do: "200ms",
// "1.5s". A bare number is refused, because it does not say its unit.
type Duration time.Duration

// String spells the duration, for example "1.5s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a string that time.ParseDuration understands.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`found %s, expected a duration in quotes such as "200ms" or "1.5s"`, data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`found %q, expected a duration such as "200ms" or "1.5s"`, text)
	}
	*d = Duration(parsed)
	return nil
}
