package mockupstreams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ParseFault reads one fault from JSON and validates it. It is strict: keys are
// spelled exactly as documented, each at most once, nothing follows the object,
// and the error names the nearest key that is allowed.
func ParseFault(data []byte) (Fault, error) {
	var f Fault
	if err := parseKeys(data, FaultKeys(), &f); err != nil {
		return Fault{}, err
	}
	if err := f.Validate(); err != nil {
		return Fault{}, err
	}
	return f, nil
}

// FaultKeys are the keys of a fault in JSON: name, the behaviours with jitter,
// and the match keys.
func FaultKeys() []string {
	keys := append([]string{"name"}, behaviourNames()...)
	keys = append(keys, "jitter")
	for _, key := range MatchKeys {
		keys = append(keys, key.Name)
	}
	return keys
}

// parseKeys reads a JSON object into the struct v one key at a time, which is
// what lets an error name its key, and finds keys that come twice.
func parseKeys(data []byte, allowed []string, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.New(`found no JSON object, expected one such as {"name": "flaky", "status": 503}`)
	}
	var seen []string
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("reading JSON: %w", err)
		}
		key := token.(string) // json accepts nothing else here
		if !slices.Contains(allowed, key) {
			return fmt.Errorf("unknown key %q; did you mean %q? allowed: %s", key, nearest(key, allowed), strings.Join(allowed, ", "))
		}
		if slices.Contains(seen, key) {
			return fmt.Errorf("key %q comes twice, expected once", key)
		}
		seen = append(seen, key)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("reading JSON: key %q: %w", key, err)
		}
		if err := setKey(key, value, v); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("reading JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("found more after the JSON object, expected one object")
	}
	return nil
}

func setKey(key string, value json.RawMessage, v any) error {
	one, err := json.Marshal(map[string]json.RawMessage{key: value})
	if err == nil {
		err = json.Unmarshal(one, v)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%s: found %s, expected %s", key, value, plain(mismatch.Type.String()))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// plain says a Go type in words for somebody who writes JSON.
func plain(goType string) string {
	switch goType {
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	}
	return "strings by name"
}

// nearest is the candidate with the fewest changed letters, the first of equals.
func nearest(word string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance is Levenshtein's, without regard to case. A word far longer than
// any key costs its length at once, so that a hostile one costs no time.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
