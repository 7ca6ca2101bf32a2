package explain

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// attempts are the attempts on the site's hosts since the first step took
// effect, in the order in which they ended. What is yielded is used again.
func (d *drill) attempts(s *site) iter.Seq[*trace.Attempt] {
	return func(yield func(*trace.Attempt) bool) {
		for a := range d.trace.AllAttempts() {
			if a.Client == s.index && a.At >= d.Since && a.Host >= 0 && d.trace.Hosts[a.Host].Cluster == s.cluster.Name && !yield(a) {
				return
			}
		}
	}
}

// attemptsSince are the attempts on any host since an instant.
func attemptsSince(t *trace.Trace, since trace.Sec) iter.Seq[*trace.Attempt] {
	return func(yield func(*trace.Attempt) bool) {
		for a := range t.AllAttempts() {
			if a.At >= since && a.Host >= 0 && !yield(a) {
				return
			}
		}
	}
}

// changes are those of the site's hosts since the first step took effect.
func (d *drill) changes(s *site) iter.Seq[*trace.Change] {
	return func(yield func(*trace.Change) bool) {
		for i := range d.trace.Changes {
			c := &d.trace.Changes[i]
			if c.Client == s.index && c.At >= d.Since && d.trace.Hosts[c.Host].Cluster == s.cluster.Name && !yield(c) {
				return
			}
		}
	}
}

// failed reports whether the attempt went wrong on the host: no answer, or 500 and more.
func failed(a *trace.Attempt) bool {
	return a.Result != trace.Answered && a.Result != trace.Overflow || a.Status >= 500
}

type requestKey struct{ client, n int32 }

// hidden counts those attempts that failed although their requests were answered
// all the same, and those requests.
func hidden(t *trace.Trace, among iter.Seq[*trace.Attempt]) (attempts, requests int) {
	bad := map[requestKey]int{}
	for a := range among {
		if failed(a) {
			bad[requestKey{a.Client, a.Request}]++
		}
	}
	if len(bad) == 0 {
		return 0, 0
	}
	for r := range t.AllRequests() {
		if !r.Failed() {
			if n := bad[requestKey{r.Client, r.N}]; n > 0 {
				attempts += n
				requests++
			}
		}
	}
	return attempts, requests
}

// uncharged counts the attempts that were given up and charged nobody.
func (d *drill) uncharged(s *site) int {
	n := 0
	for a := range d.attempts(s) {
		if a.Result == trace.Cancelled && !a.Charged {
			n++
		}
	}
	return n
}

// slowest is the longest that a good answer took.
func (d *drill) slowest(s *site) time.Duration {
	longest := trace.Sec(0)
	for a := range d.trace.AllAttempts() {
		if a.Client == s.index && a.Result == trace.Answered && a.Status < 500 {
			longest = max(longest, a.Done-a.At)
		}
	}
	return longest.D()
}

// hostName is the host of a cluster's name: outbound|80|subset|mydb.com.
func hostName(cluster string) string { return cluster[strings.LastIndex(cluster, "|")+1:] }

// policyPath is where a block of the site's policy is or would be written; the
// object is nil when no DestinationRule applies.
func (s *site) policyPath(block string) (*istio.Resource, string) {
	use, ok := s.t.Use(s.cluster.Name, istio.PartPolicy)
	if !ok || use.Resource.Kind != "DestinationRule" {
		return nil, ""
	}
	path := use.Path
	if path == "" {
		path = "spec.trafficPolicy"
	}
	return use.Resource, path + "." + block
}

// routePath is where a field of the site's route is or would be written; the
// object is nil when no VirtualService routes to it.
func (s *site) routePath(field string) (*istio.Resource, string) {
	use, ok := s.t.Use(s.cluster.Name, istio.PartRoute)
	if !ok {
		return nil, ""
	}
	return use.Resource, use.Path + "." + field
}

// service is the ServiceEntry of the site, nil when it is unknown.
func (s *site) service() *istio.Resource {
	if use, ok := s.t.Use(s.cluster.Name, istio.PartService); ok {
		return use.Resource
	}
	return nil
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// length writes a duration the way Istio's files do: 500ms, 15s.
func length(d time.Duration) string {
	switch {
	case d%time.Second == 0 && d < 2*time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < time.Second && d%time.Millisecond == 0:
		return fmt.Sprintf("%dms", d/time.Millisecond)
	}
	return d.String()
}
