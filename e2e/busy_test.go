package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// processors is the time that the machine's processors had, and spent idle, since it began, in
// ticks of its clock (proc(5), /proc/stat).
type processors struct{ all, idle int64 }

// readProcessors is 0 where the system does not tell.
func readProcessors() processors {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return processors{}
	}
	return parseProcessors(string(b))
}

func parseProcessors(stat string) (p processors) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[0] != "cpu" {
		return processors{}
	}
	// user nice system idle iowait irq softirq steal; guests are in user already
	for i, f := range fields[1:min(9, len(fields))] {
		var n int64
		if _, err := fmt.Sscan(f, &n); err != nil {
			return processors{}
		}
		p.all += n
		if i == 3 || i == 4 {
			p.idle += n
		}
	}
	return p
}

// pace says how long the drills took beside the longest of them, and whether it was the
// processors that kept them from taking no longer than that.
func pace(took time.Duration, specs []*spec, before, after processors) string {
	longest := time.Duration(0)
	for _, s := range specs {
		longest = max(longest, s.lasts)
	}
	words := fmt.Sprintf("%d drills were played in %.0f s, the longest takes %.0f s", len(specs), took.Seconds(), longest.Seconds())
	if all := after.all - before.all; all > 0 {
		words += fmt.Sprintf("; the processors were %d %% busy", 100*(all-(after.idle-before.idle))/all)
	}
	return words
}

func TestPace(t *testing.T) {
	before := parseProcessors("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3\n")
	after := parseProcessors("cpu  180 0 110 710 100 0 0 0 50 0\n")
	if (before != processors{1000, 800}) {
		t.Errorf("got %+v", before)
	}
	specs := []*spec{{lasts: 20 * time.Second}, {lasts: 60 * time.Second}}
	if got, want := pace(90*time.Second, specs, before, after), "2 drills were played in 90 s, the longest takes 60 s; the processors were 90 % busy"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := pace(90*time.Second, specs, processors{}, parseProcessors("intr 5")); strings.Contains(got, "busy") {
		t.Errorf("got %q", got)
	}
}
