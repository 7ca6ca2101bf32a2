package scenario

import (
	"slices"
	"strconv"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
)

func (v *validator) timeline() {
	config := slices.Clone(v.in.Resources)
	var active []activeFault
	explicit := map[string]string{}
	for i, step := range v.s.Timeline {
		path := index("spec.timeline", i)
		v.stepTime(path, i)
		switch {
		case v.bad[path]:
		case step.Fault != nil:
			if v.in.Has(path + ".fault.name") {
				v.title(path+".fault.name", step.Fault.Name)
				v.uniqueName(path+".fault.name", step.Fault.Name, explicit)
			}
			v.fault(path+".fault", step)
			v.standing(path+".fault", step.Fault.Upstream, step.At, active, "takes no other fault")
			active = append(active, activeFault{name: v.faults[i], at: step.At, lasts: step.Fault.For, of: step.Fault})
		case v.in.Has(path + ".heal"):
			active = v.heal(path+".heal", step, active)
		case step.Restart != "":
		case step.Patch != nil:
			v.patched(path+".patch", step.Patch, config)
		case v.in.Has(path + ".delete"):
			v.remove(path+".delete", step.Delete, config)
		case step.Apply == "":
			v.fail(path+".apply", "expected a file or folder, found an empty text")
		}
		config = v.in.afterStep(config, i)
	}
}

// stepTime checks that the entries are in order and within the drill.
func (v *validator) stepTime(path string, i int) {
	at := v.s.Timeline[i].At
	if v.bad[path] || i > 0 && v.bad[index("spec.timeline", i-1)] {
		return
	}
	if i > 0 && at < v.s.Timeline[i-1].At {
		v.fail(path+".at", "%s comes before the entry above it (%s); entries are in order of time", at, v.s.Timeline[i-1].At)
	}
	if v.bad["duration"] || v.s.Duration == 0 {
		return
	}
	if at >= v.s.Duration {
		v.fail(path+".at", "%s is not before the end of the drill (duration %s)", at, v.s.Duration)
		return
	}
	if f := v.s.Timeline[i].Fault; f != nil && at+f.For > v.s.Duration {
		v.fail(path+".fault.for", "%s from %s on is after the end of the drill (duration %s); without for it lasts to the end", f.For, at, v.s.Duration)
	}
}

// activeFault is a fault that has begun.
type activeFault struct {
	name   string
	at     Duration
	lasts  Duration // 0: until it is healed
	healed bool
	of     *Fault
}

// over reports whether the fault has ended by then.
func (f *activeFault) over(at Duration) bool { return f.healed || f.lasts > 0 && f.at+f.lasts <= at }

// standing checks that a server that stands still is left alone: it cannot be told of
// the beginning or the end of anything else.
func (v *validator) standing(path, upstream string, at Duration, begun []activeFault, cannot string) {
	for i := range begun {
		if f := &begun[i]; upstream != "" && f.of.Upstream == upstream && f.of.standsStill() && !f.over(at) {
			v.fail(path, "%s stands still since %s (%s) and %s; heal %s first", upstream, f.at, f.of.Behaviour(), cannot, quote(f.name))
			return
		}
	}
}

// heal checks that the fault is there to be healed.
func (v *validator) heal(path string, step Step, begun []activeFault) []activeFault {
	i := slices.IndexFunc(begun, func(f activeFault) bool { return f.name == step.Heal })
	switch {
	case i < 0 && v.bad["timeline"]:
	case i < 0 && contains(v.faults, step.Heal):
		v.fail(path, "the fault %s begins only after this entry", quote(step.Heal))
	case i < 0:
		names := slices.DeleteFunc(slices.Clone(v.faults), func(n string) bool { return n == "" })
		v.fail(path, "no fault %s%s", quote(step.Heal), didYouMean(step.Heal, names))
	case begun[i].healed:
		v.fail(path, "the fault %s is already healed", quote(step.Heal))
	case begun[i].over(step.At):
		v.fail(path, "the fault %s has ended by itself at %s", quote(step.Heal), begun[i].at+begun[i].lasts)
	default:
		begun[i].healed = true
		v.standing(path, begun[i].of.Upstream, step.At, begun, "cannot end another fault")
	}
	return begun
}

// remove checks that the object is there to be deleted.
func (v *validator) remove(path, ref string, config []*istio.Resource) {
	id := objectID(ref)
	kind, _, _ := strings.Cut(ref, "/")
	switch {
	case id == "":
		v.fail(path, "expected Kind/name or Kind/namespace/name, found %s", quote(ref))
	case istioKinds[kind] == nil:
		v.fail(path, "unknown kind %s%s", quote(kind), didYouMean(kind, kindNames()))
	default:
		v.there(path, ref, config)
	}
}

// stepAt is the time of the entry that a path is in.
func (v *validator) stepAt(path string) Duration {
	_, rest, _ := strings.Cut(path, "[")
	number, _, _ := strings.Cut(rest, "]")
	i, _ := strconv.Atoi(number)
	return v.s.Timeline[i].At
}

// fault checks the numbers of a fault, and that what it says applies to what it does.
func (v *validator) fault(path string, step Step) {
	f := step.Fault
	if !v.faultTarget(path, f) {
		return
	}
	v.positive(path+".delay", f.Delay)
	v.positive(path+".slowBody", f.SlowBody)
	v.positive(path+".for", f.For)
	v.atLeastOne(path+".first", f.First)
	v.atLeastOne(path+".everyNth", f.EveryNth)
	v.atLeastOne(path+".closeAfter", f.CloseAfter)
	if v.in.Has(path+".status") && (f.Status < 200 || f.Status > 599) {
		v.fail(path+".status", "expected an HTTP status from 200 to 599, found %d", f.Status)
	}
	if v.in.Has(path+".percentage") && (f.Percentage <= 0 || f.Percentage > 100) {
		v.fail(path+".percentage", "expected more than 0, at most 100, found %v", f.Percentage)
	}
	if v.in.Has(path+".jitter") && f.Delay == 0 {
		v.fail(path+".jitter", "jitter adds to delay, and this fault has none")
	}
	if v.in.Has(path+".path") && !strings.HasPrefix(f.Path, "/") {
		v.fail(path+".path", "expected a path that begins with /, found %s", quote(f.Path))
	}
	v.headers(path+".headers", f.Headers)
	v.faultPort(path, f)
	v.tlsFault(path+".tls", f)
	if v.in.Has(path+".port") && f.standsStill() {
		v.fail(path+".port", "%s meets the whole server, so port cannot choose one of its ports", f.Behaviour())
	}
	if !f.Refuse && !f.Blackhole && f.CloseAfter == 0 && f.TLS == "" && f.Partition == "" && !f.standsStill() {
		return
	}
	for _, field := range []string{"percentage", "first", "everyNth", "path", "headers"} {
		if v.in.Has(join(path, field)) && (field != "percentage" || f.Percentage != 100) {
			v.fail(join(path, field), "%s meets every connection, so %s cannot choose requests", f.Behaviour(), field)
		}
	}
}

func (v *validator) faultPort(path string, f *Fault) {
	if !v.in.Has(path + ".port") {
		return
	}
	for _, u := range v.upstreams {
		if u.Name == f.Upstream && len(u.Ports) > 0 && !slices.Contains(u.Ports, f.Port) {
			v.fail(path+".port", "upstream %s has no port %d; expected %s", u.Name, f.Port, portList(u.Ports))
			return
		}
	}
	v.port(path+".port", f.Port)
}
