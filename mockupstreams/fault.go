package mockupstreams

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Errors that callers tell apart with errors.Is. Their texts always come with
// what was found and what was expected.
var (
	// ErrUnsupported marks a fault that a listening socket cannot fake.
	ErrUnsupported = fmt.Errorf("not possible for an upstream: %w", errors.ErrUnsupported)
	// ErrDuplicate marks a fault whose name is applied already.
	ErrDuplicate = errors.New("already applied")
	// ErrNotApplied marks a name under which no fault was applied.
	ErrNotApplied = errors.New("not applied")
	// ErrListen marks an address that the system does not let the upstream have.
	ErrListen = errors.New("cannot listen")
	// ErrClosed is returned by Apply and Heal after Close.
	ErrClosed = errors.New("the upstream is closed")
)

// A Fault is what one upstream does wrong: a name, exactly one behaviour, and
// a Match that says which requests it hits. What each behaviour does is told in
// Behaviours; a zero value means that the behaviour is not asked for.
type Fault struct {
	// Name tells faults of one upstream apart: 1 to 63 letters, digits, dots,
	// dashes and underscores, starting with a letter or a digit.
	Name string `json:"name"`

	// Status answers with this code, 200 to 599.
	Status int `json:"status,omitempty"`
	// Delay waits before the answer; positive.
	Delay Duration `json:"delay,omitempty"`
	// Jitter spreads Delay evenly over Delay-Jitter to Delay+Jitter; at most Delay.
	Jitter Duration `json:"jitter,omitempty"`
	// Refuse stops listening.
	Refuse bool `json:"refuse,omitempty"`
	// Reset ends the connection with a TCP reset instead of an answer.
	Reset bool `json:"reset,omitempty"`
	// Hang never ends the answer: HangHeaders or HangBody.
	Hang string `json:"hang,omitempty"`
	// SlowBody spreads the answer's body over this time; positive.
	SlowBody Duration `json:"slowBody,omitempty"`
	// CloseAfter answers this many requests on a connection, then closes it; 1 or more.
	CloseAfter int `json:"closeAfter,omitempty"`
	// TLS restarts the TLS ports with other TLS: TLSExpired and the others.
	TLS string `json:"tls,omitempty"`
	// Blackhole leaves connects unanswered; ErrUnsupported where the system cannot.
	Blackhole bool `json:"blackhole,omitempty"`
	// Pause stands still: connects are accepted, and nothing is read or written.
	Pause bool `json:"pause,omitempty"`

	Match
}

// A Match says which requests a fault hits; the zero Match says all of them.
// Selector documents the order in which the fields are asked.
type Match struct {
	// Percentage of the requests, 0 to 100, fractions allowed; nil means 100.
	Percentage *float64 `json:"percentage,omitempty"`
	// First takes only the first n requests; 0 means no limit.
	First int `json:"first,omitempty"`
	// Every takes every k-th request; 0 and 1 mean each.
	Every int `json:"every,omitempty"`
	// UntilSuccesses ends the fault after n answers that succeeded; 0 means never.
	UntilSuccesses int `json:"untilSuccesses,omitempty"`
	// For ends the fault this long after it was applied; 0 means never.
	For Duration `json:"for,omitempty"`
	// Path takes only requests whose path starts with it; "" means any.
	Path string `json:"path,omitempty"`
	// Headers takes only requests that have all of these, values being exact.
	Headers map[string]string `json:"headers,omitempty"`
	// Port takes only what arrives on this listening port; 0 means any.
	Port int `json:"port,omitempty"`
}

// A MatchKey documents one key of Match, for generated references.
type MatchKey struct {
	Name    string // the key in JSON and YAML
	Doc     string // one line
	Example string // a value, as JSON
	set     func(Match) bool
}

// MatchKeys lists the keys of Match in the order in which a Selector asks them.
var MatchKeys = []MatchKey{
	{"for", "ends the fault this long after it was applied", `"10s"`, func(m Match) bool { return m.For != 0 }},
	{"untilSuccesses", "ends the fault after this many complete answers of the upstream below 500", `3`, func(m Match) bool { return m.UntilSuccesses != 0 }},
	{"port", "only on this listening port", `80`, func(m Match) bool { return m.Port != 0 }},
	{"path", "only requests whose path starts with this", `"/api"`, func(m Match) bool { return m.Path != "" }},
	{"headers", "only requests that have all of these headers, with exactly these values", `{"x-canary": "yes"}`, func(m Match) bool { return len(m.Headers) > 0 }},
	{"first", "only the first n of the requests that pass port, path and headers", `5`, func(m Match) bool { return m.First != 0 }},
	{"every", "only every k-th of the requests that pass port, path and headers", `3`, func(m Match) bool { return m.Every != 0 }},
	{"percentage", "this share of what is left, 0 to 100, drawn with the upstream's seed", `50`, func(m Match) bool { return m.Percentage != nil }},
}

// Validate returns every mistake in the fault, joined, or nil. Where the system has
// no blackholes, one is well formed but wraps ErrUnsupported.
func (f Fault) Validate() error {
	b, err := f.behaviour()
	if err == nil {
		err = errors.Join(f.checkKeys(b), b.check(f))
	}
	if err = errors.Join(checkName(f.Name), err, f.check()); err != nil {
		return fmt.Errorf("fault %q: %w", f.Name, err)
	}
	return nil
}

// behaviour finds the one behaviour that the fault asks for.
func (f Fault) behaviour() (*Behaviour, error) {
	var found []string
	var last *Behaviour
	for i := range Behaviours {
		if Behaviours[i].set(f) {
			last = &Behaviours[i]
			found = append(found, last.Name)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("found no behaviour, expected one of %s", strings.Join(behaviourNames(), ", "))
	case 1:
		return last, nil
	}
	return nil, fmt.Errorf("found %d behaviours (%s), expected exactly one; give each a fault of its own",
		len(found), strings.Join(found, ", "))
}

// checkKeys holds the match keys that are set against those that the behaviour takes.
func (f Fault) checkKeys(b *Behaviour) error {
	if f.Jitter != 0 && f.Delay == 0 {
		return fmt.Errorf("found jitter beside %s, expected it beside delay only", b.Name)
	}
	var wrong []string
	for _, key := range MatchKeys {
		if key.set(f.Match) && b.Keys != nil && !slices.Contains(b.Keys, key.Name) {
			wrong = append(wrong, key.Name)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("found %s, but %s works on connections, not on requests; allowed beside it: %s",
			strings.Join(wrong, ", "), b.Name, strings.Join(b.Keys, ", "))
	}
	if f.UntilSuccesses > 0 && b.fails != nil && b.fails(f) && f.hitsAll() {
		return fmt.Errorf("found untilSuccesses beside %s on every request, so that no answer can succeed and it would never heal; "+
			"expected percentage, every, path, headers or port as well", b.Name)
	}
	return nil
}

// hitsAll says that no request of this upstream escapes the match while it lasts.
func (m Match) hitsAll() bool {
	return (m.Percentage == nil || *m.Percentage >= 100) &&
		m.Every <= 1 && m.First == 0 && m.Port == 0 && strings.Trim(m.Path, "/") == "" && len(m.Headers) == 0
}

func (m Match) check() error {
	var errs []error
	wrong := func(key string, found any, expected string) {
		errs = append(errs, fmt.Errorf("%s: found %v, expected %s", key, found, expected))
	}
	if p := m.Percentage; p != nil && !(*p >= 0 && *p <= 100) { // written so that NaN is wrong too
		wrong("percentage", *p, "0 to 100")
	}
	if m.First < 0 {
		wrong("first", m.First, "1 or more")
	}
	if m.Every < 0 {
		wrong("every", m.Every, "1 or more")
	}
	if m.UntilSuccesses < 0 {
		wrong("untilSuccesses", m.UntilSuccesses, "1 or more")
	}
	if m.For < 0 {
		wrong("for", m.For, "a positive duration")
	}
	if m.Path != "" && m.Path[0] != '/' {
		wrong("path", fmt.Sprintf("%q", m.Path), "a path that starts with /")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if name == "" || strings.ContainsAny(name, " :\t\r\n") {
			wrong("headers", fmt.Sprintf("%q", name), "the name of a header")
		}
	}
	if m.Port < 0 || m.Port > 65535 {
		wrong("port", m.Port, "1 to 65535")
	}
	return errors.Join(errs...)
}

// deadens reports whether the fault is about listeners: its end is theirs, too.
func (f Fault) deadens() bool { return f.Refuse || f.Blackhole || f.Pause }

// clone keeps what was applied apart from what the caller goes on changing.
func (f Fault) clone() Fault {
	f.Headers = maps.Clone(f.Headers)
	if f.Percentage != nil {
		f.Percentage = new(*f.Percentage)
	}
	return f
}

// checkName takes names that fit into a URL, a header and a log line as they are.
func checkName(name string) error {
	ok := len(name) >= 1 && len(name) <= 63
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && strings.ContainsRune("._-", c))
	}
	if !ok {
		return fmt.Errorf("name: found %q, expected 1 to 63 letters, digits, dots, dashes and underscores", name)
	}
	return nil
}
