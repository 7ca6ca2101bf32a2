package trace

import "strings"

// Flags is a set of Envoy response flags (access log, %RESPONSE_FLAGS%).
type Flags uint16

// The response flags that a failover shows.
const (
	FlagURX   Flags = 1 << iota // retry limit or connect attempts used up
	FlagUO                      // upstream overflow
	FlagUF                      // upstream connection failure
	FlagUT                      // upstream request timeout
	FlagUC                      // upstream connection termination
	FlagUR                      // upstream remote reset
	FlagUPE                     // upstream protocol error
	FlagLR                      // local reset
	FlagUH                      // no healthy upstream
	FlagNR                      // no route
	FlagNC                      // no cluster
	FlagUMSDR                   // upstream max stream duration reached
	FlagDC                      // downstream connection termination
)

// flagNames are in the order in which Envoy prints combinations: what ended the
// retries before what the last attempt met.
var flagNames = [...]string{"URX", "UO", "UF", "UT", "UC", "UR", "UPE", "LR", "UH", "NR", "NC", "UMSDR", "DC"}

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
