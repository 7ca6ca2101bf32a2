package scenario

import (
	"fmt"
	"strings"
	"time"
)

// maxDuration is the longest that anything in a drill may last.
const maxDuration = 24 * time.Hour

// D is the duration as the standard library has it.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String writes the duration as Istio does: 15s, 1m30s, 1h.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the duration as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration of 0 to 24h.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	*d = Duration(v)
	return err
}

// parseDuration reads a duration; its error is what stands after "field: ".
func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	switch {
	case err != nil && isNumber(text):
		return 0, fmt.Errorf("expected a time with its unit, such as %ss or %sms, found %s", text, text, text)
	case err != nil:
		return 0, fmt.Errorf("expected a time such as 500ms, 15s or 1m30s, found %q", text)
	case v < 0:
		return 0, fmt.Errorf("expected a time from 0s to 24h, found the negative %s", text)
	case v > maxDuration:
		return 0, fmt.Errorf("expected a time from 0s to 24h, found %s", text)
	}
	return v, nil
}

func isNumber(text string) bool {
	return text != "" && strings.Trim(text, "0123456789.") == "" && text != "."
}
