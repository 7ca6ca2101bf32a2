package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

// seconds writes a time with one decimal.
func seconds(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) + " s" }

// number writes a figure with as few decimals as it needs.
func number(f float64) string { return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64) }

// short writes a figure with two significant digits, without an exponent.
func short(f float64) string {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 2, 64), 64)
	if err != nil {
		return number(f)
	}
	return strconv.FormatFloat(g, 'f', -1, 64)
}

// percent is 0 % and 100 % only for none and all.
func percent(n, of int) string {
	if of == 0 {
		return "0 %"
	}
	return share(float64(n) / float64(of))
}

func share(f float64) string {
	switch {
	case f <= 0:
		return "0 %"
	case f >= 1:
		return "100 %"
	}
	return strconv.Itoa(min(99, max(1, int(math.Round(f*100))))) + " %"
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// counts writes 503 x5, 200 x1: the most frequent first.
func counts(m map[string]int) string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int { return m[b] - m[a] })
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s x%d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

// statuses are counts of HTTP statuses; 0 is no answer.
func statuses(m map[string]int) string {
	if n, ok := m["0"]; ok {
		m = maps.Clone(m)
		delete(m, "0")
		m["no answer"] = n
	}
	return counts(m)
}

// profile writes the rules that were followed, with how well they are known.
func profile(p result.Profile) string {
	half := func(name, version, mark string) string {
		if version == "" {
			return ""
		}
		if mark == "" {
			return name + " " + version
		}
		return fmt.Sprintf("%s %s (%s)", name, version, mark)
	}
	return strings.Trim(half("Istio", p.Istio, string(p.IstioMark))+", "+half("Envoy", p.Envoy, string(p.EnvoyMark)), ", ")
}

// rules is the profile and the seed.
func rules(p result.Profile, seed uint64) string {
	return strings.TrimPrefix(profile(p)+"; seed "+strconv.FormatUint(seed, 10), "; ")
}

// place is file:line, or less when less is known.
func place(file string, line int) string {
	if file == "" || line <= 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

// clause is the beginning of a message that can stand for it in a headline: up
// to the first colon or semicolon after enough words to be understood.
func clause(s string) string {
	const enough = 24
	for i := range s {
		if i >= enough && (strings.HasPrefix(s[i:], ": ") || strings.HasPrefix(s[i:], "; ")) {
			return s[:i]
		}
	}
	return s
}
