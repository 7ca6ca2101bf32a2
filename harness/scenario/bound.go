package scenario

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Holds reports whether the number, or the percentage, is permitted.
func (b Bound) Holds(v float64) bool { return b.Min <= v && v <= b.Max }

// String writes the bound as it was written.
func (b Bound) String() string {
	if b.Text != "" {
		return b.Text
	}
	number := func(v float64) string {
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if b.Percent {
			s += "%"
		}
		return s
	}
	return boundText(number(b.Min), number(b.Max), b.Min == b.Max, b.Min == 0, math.IsInf(b.Max, 1))
}

// MarshalText writes the bound as String does.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalYAML keeps a plain number plain.
func (b Bound) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: b.String(), Tag: "!!str"}
	if _, err := strconv.Atoi(n.Value); err == nil {
		n.Tag = "!!int"
	}
	return n, nil
}

// UnmarshalText reads 5, "<= 3", 100%, ">= 30%" or "20%..40%".
func (b *Bound) UnmarshalText(text []byte) error {
	low, high, err := boundSides(string(text))
	if err != nil {
		return fmt.Errorf(`expected a number or a share, such as 5, "<= 3", 100%% or "20%%..40%%", found %q`, text)
	}
	v := Bound{Max: math.Inf(1), Text: strings.TrimSpace(string(text))}
	v.Percent = strings.HasSuffix(low+high, "%")
	for _, side := range []struct {
		text string
		into *float64
	}{{low, &v.Min}, {high, &v.Max}} {
		if side.text == "" {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSuffix(side.text, "%"), 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Errorf(`expected a number or a share, such as 5, "<= 3", 100%% or "20%%..40%%", found %q`, text)
		}
		if strings.HasSuffix(side.text, "%") != v.Percent {
			return fmt.Errorf("expected two numbers or two percentages, found %q", text)
		}
		if v.Percent && (n < 0 || n > 100) {
			return fmt.Errorf("expected a percentage from 0%% to 100%%, found %s", side.text)
		}
		if !v.Percent && (n < 0 || n != math.Trunc(n)) {
			return fmt.Errorf("expected a whole number, 0 or more, found %s", side.text)
		}
		*side.into = n
	}
	if v.Min > v.Max {
		return fmt.Errorf("expected the lower number first, found %q", text)
	}
	*b = v
	return nil
}

// Holds reports whether the time is permitted.
func (b DurationBound) Holds(d time.Duration) bool { return b.Min <= d && d <= b.Max }

// String writes the bound as it was written.
func (b DurationBound) String() string {
	if b.Text != "" {
		return b.Text
	}
	return boundText(Duration(b.Min).String(), Duration(b.Max).String(), b.Min == b.Max, b.Min == 0, b.Max == math.MaxInt64)
}

// MarshalText writes the bound as String does.
func (b DurationBound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads 5s, "<= 5s", ">= 60s" or "60s..75s".
func (b *DurationBound) UnmarshalText(text []byte) error {
	low, high, err := boundSides(string(text))
	if err != nil {
		return fmt.Errorf(`expected a time or its bounds, such as "<= 5s" or "60s..75s", found %q`, text)
	}
	v := DurationBound{Max: math.MaxInt64, Text: strings.TrimSpace(string(text))}
	if low != "" {
		if v.Min, err = parseDuration(low); err != nil {
			return err
		}
	}
	if high != "" {
		if v.Max, err = parseDuration(high); err != nil {
			return err
		}
	}
	if v.Min > v.Max {
		return fmt.Errorf("expected the shorter time first, found %q", text)
	}
	*b = v
	return nil
}

// boundSides takes a bound apart: the least and the most that it permits, "" for an open side.
func boundSides(text string) (low, high string, err error) {
	text = strings.ReplaceAll(text, " ", "")
	switch {
	case strings.HasPrefix(text, "<="):
		high = text[2:]
	case strings.HasPrefix(text, ">="):
		low = text[2:]
	case strings.Contains(text, ".."):
		low, high, _ = strings.Cut(text, "..")
		if low == "" || high == "" {
			return "", "", fmt.Errorf("half a range")
		}
	default:
		low, high = text, text
	}
	if low == "" && high == "" {
		return "", "", fmt.Errorf("nothing")
	}
	return low, high, nil
}

func boundText(low, high string, exact, fromZero, open bool) string {
	switch {
	case exact:
		return low
	case open:
		return ">= " + low
	case fromZero:
		return "<= " + high
	}
	return low + ".." + high
}
