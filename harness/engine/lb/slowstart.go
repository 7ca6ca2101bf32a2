package lb

import (
	"math"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

// Warming reports whether some host may be in slow start: the host that became
// healthy last did so at most a window ago. Envoy compares whole milliseconds.
//
// Rule: RuleSlowStartMode.
func Warming(cfg *xds.SlowStart, latest, now int64) bool {
	return cfg != nil && cfg.Window > 0 && millis(now-latest) <= cfg.Window.Milliseconds()
}

// SlowStart is the weight of a host that became healthy at since: its own, times
// the part of the window that has passed, to the power of 1/aggression, and at
// least the minimum (load_balancer_impl.cc, applySlowStartFactor).
//
// Rule: RuleSlowStart.
func SlowStart(weight float64, cfg *xds.SlowStart, since, now int64) float64 {
	passed, window := millis(now-since), cfg.Window.Milliseconds()
	if passed >= window {
		return weight
	}
	f := float64(max(1, passed)) / float64(window)
	if a := cfg.Aggression; a > 0 && a != 1 { // 1 where it makes no sense
		f = math.Pow(f, 1/a)
	}
	return weight * max(f, cfg.MinWeightPercent/100)
}

func millis(d int64) int64 { return d / int64(time.Millisecond) }
