package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxRate is the most requests a second that a client may send.
const maxRate = 1_000_000

// IsZero reports whether no rate is given.
func (r Rate) IsZero() bool { return r == Rate{} }

// Interval is the time between two requests.
func (r Rate) Interval() time.Duration {
	if r.N <= 0 {
		return 0
	}
	return time.Duration(float64(r.Per) / r.N)
}

// String writes the rate as it is read: 50/s.
func (r Rate) String() string {
	if r.IsZero() {
		return ""
	}
	per := Duration(r.Per).String()
	if strings.HasPrefix(per, "1") && len(per) == 2 {
		per = per[1:] // 1s, 1m, 1h
	}
	return strconv.FormatFloat(r.N, 'f', -1, 64) + "/" + per
}

// MarshalText writes the rate as String does.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads 50/s, 600/m or 5/10s.
func (r *Rate) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("expected a number of requests in a time, such as 50/s or 600/m, found %q", text)
	number, unit, ok := strings.Cut(strings.ReplaceAll(string(text), " ", ""), "/")
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || math.IsNaN(n) || unit == "" {
		return wrong
	}
	if unit[0] < '0' || unit[0] > '9' {
		unit = "1" + unit
	}
	per, err := time.ParseDuration(unit)
	switch {
	case err != nil:
		return wrong
	case n <= 0 || per <= 0:
		return fmt.Errorf("expected more than 0 requests in more than 0s, found %s", text)
	case per > maxDuration || n*float64(time.Second)/float64(per) > maxRate:
		return fmt.Errorf("expected at most %d/s, in at most 24h, found %s", maxRate, text)
	}
	*r = Rate{N: n, Per: per}
	return nil
}
