package scenario

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// upstreamNames gives each address a short name that says how it differs from
// the others: dynamodb.us-east-1.amazonaws.com and
// dynamodb.us-west-1.amazonaws.com are us-east-1 and us-west-1.
func upstreamNames(addresses []string) []string {
	common := commonLabels(addresses)
	names := make([]string, len(addresses))
	for i, a := range addresses {
		var parts []string
		if !isIP(a) {
			for _, l := range strings.Split(a, ".") {
				if !contains(common, l) {
					parts = append(parts, l)
				}
			}
		}
		names[i] = dnsLabelOf(strings.Join(parts, "-"))
	}
	for i, a := range addresses {
		if names[i] == "" || slices.Contains(names[:i], names[i]) || slices.Contains(names[i+1:], names[i]) {
			names[i] = dnsLabelOf(a)
		}
	}
	return unique(names)
}

// commonLabels is the labels that all names have; of a single name, all but the first.
func commonLabels(addresses []string) []string {
	var common []string
	count := 0
	for _, a := range addresses {
		if isIP(a) {
			continue
		}
		labels := strings.Split(a, ".")
		if count++; count == 1 {
			common = labels
			continue
		}
		common = slices.DeleteFunc(slices.Clone(common), func(l string) bool { return !contains(labels, l) })
	}
	if count == 1 {
		return common[1:]
	}
	return common
}

// dnsLabelOf makes a DNS label of any text.
func dnsLabelOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	if len(s) > 60 { // room for a number
		s = s[:60]
	}
	return strings.Trim(s, "-")
}

// unique numbers the names that come again.
func unique(names []string) []string {
	taken := map[string]bool{}
	for i, name := range names {
		names[i] = freeName(cmp.Or(name, "upstream"), taken)
	}
	return names
}

// freeName is the name, with a number if it is taken; it is taken afterwards.
func freeName(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

func isIP(address string) bool {
	_, err := netip.ParseAddr(address)
	return err == nil
}
