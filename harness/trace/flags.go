package trace

import "strings"

// Flags is a set of Envoy response flags (access log, %RESPONSE_FLAGS%).
type Flags uint16

// The response flags that a failover shows.
const (
	FlagURX Flags = 1 << iota
	FlagUO
	FlagUF
	FlagUT
	FlagUC
	FlagUR
	FlagUPE
	FlagLR
	FlagUH
	FlagNR
	FlagNC
	FlagUMSDR
	FlagDC
)

// flagNames are in the order in which Envoy prints combinations: what ended the
// retries before what the last attempt met.
var flagNames = [...]string{"URX", "UO", "UF", "UT", "UC", "UR", "UPE", "LR", "UH", "NR", "NC", "UMSDR", "DC"}

// flagMeanings are in the order of flagNames.
var flagMeanings = [...]string{
	"the retries, or the connect attempts, are used up",
	"a circuit breaker refused the request (upstream overflow): no attempt was made, and none is charged",
	"no connection to the upstream: refused, or not made within connectTimeout",
	"the route's timeout or perTryTimeout fired before the response (upstream request timeout)",
	"the upstream closed the connection before the response was complete",
	"the upstream reset the stream",
	"the upstream's response broke the protocol",
	"the proxy reset the stream itself",
	"no healthy upstream: every host that the load balancer may use is ejected or gone, and panic is off",
	"no route fits the request",
	"the route leads to a cluster that does not exist",
	"the stream lasted longer than it may",
	"the client closed the connection",
}

// String writes the letters separated by commas, "-" when there are none.
func (f Flags) String() string {
	if f == 0 {
		return "-"
	}
	var b []string
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			b = append(b, n)
		}
	}
	return strings.Join(b, ",")
}

// MarshalText writes the letters.
func (f Flags) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what String writes.
func (f *Flags) UnmarshalText(b []byte) error {
	*f = 0
	if s := string(b); s != "" && s != "-" {
		for _, p := range strings.Split(s, ",") {
			g, ok := ParseFlag(p)
			if !ok {
				return &unknownError{"response flag", p}
			}
			*f |= g
		}
	}
	return nil
}

// ParseFlag returns the flag with these letters.
func ParseFlag(letters string) (Flags, bool) {
	for i, n := range flagNames {
		if n == letters {
			return 1 << i, true
		}
	}
	return 0, false
}

// FlagLetters returns the letters of all flags that a trace can hold.
func FlagLetters() []string { return flagNames[:] }

// Means says in a sentence what the flag with these letters means; "" for an unknown one.
func Means(letters string) string {
	for i, n := range flagNames {
		if n == letters {
			return flagMeanings[i]
		}
	}
	return ""
}
