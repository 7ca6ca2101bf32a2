package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Schema is the name of the JSON form of a Report.
const Schema = "faildrill.dev/doctor/v1"

// Report is what a machine can do.
type Report struct {
	Schema   string    `json:"schema"`
	Machine  string    `json:"machine"`
	Backends []Backend `json:"backends"`
	Checks   []Check   `json:"checks"`
	KeptRuns []string  `json:"keptRuns"`
}

// Backend is one that drills are played on.
type Backend struct {
	Name  string   `json:"name"` // "envoy-istiod"
	Runs  bool     `json:"runs"`
	Note  string   `json:"note"`  // what runs, or what is missing
	Fixes []string `json:"fixes"` // the commands that get what is missing, as far as any does
}

// State is what came of a check.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Missing State = "missing" // a backend needs it
	Note    State = "note"    // worth knowing, nothing fails for it
)

// Check is one thing that was looked at.
type Check struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	What  string `json:"what"`
	Fix   string `json:"fix"`
}

// The backends, as --require names them. Envoy is either of the two.
const (
	Model        = "model"
	Inproc       = "inproc"
	Envoy        = "envoy"
	EnvoyBuiltin = "envoy-builtin"
	EnvoyIstiod  = "envoy-istiod"
	Kind         = "kind"
	Cluster      = "cluster"
)

// Names are what --require takes.
func Names() []string {
	return []string{Model, Inproc, Envoy, EnvoyBuiltin, EnvoyIstiod, Kind, Cluster}
}

// need is the space that one release of Envoy takes while it is unpacked, and
// that a build of istiod takes, in bytes.
const need = 1 << 30

// Diagnose decides what a machine can do, from what was seen of it.
func Diagnose(f Facts) Report {
	namespaces := f.namespaces()
	inotify := f.inotify()
	live := f.Live.check("faildrill-live")
	envoy := f.envoy()
	istiod := f.Istiod.check("istiod")
	istioctl := f.Istioctl.check("istioctl")
	if istioctl.State == Missing { // it is compared with, nothing is played with it
		istioctl.State = Note
	}
	golang := f.Go.check("go")
	if golang.State == Missing { // it is needed to build, once
		golang.State = Note
	}
	builtin := "real Envoy, configured by faildrill"
	if namespaces.State == Missing {
		builtin += "; without namespaces, on the loopback interface"
	}
	docker := f.Docker.check("docker")
	kind := f.Kind.check("kind")
	if docker.State == Missing { // without it no cluster comes up
		kind.Fix = docker.Fix
	}
	needed := []Check{docker, kind}
	// Most people rehearse without a cluster.
	for _, c := range []*Check{&docker, &kind} {
		if c.State == Missing {
			c.State, c.Fix = Note, ""
		}
	}
	return Report{
		Schema:  Schema,
		Machine: f.machine(),
		Backends: []Backend{
			{Name: Model, Runs: true, Note: "virtual time", Fixes: []string{}},
			{Name: Inproc, Runs: true, Note: "real sockets on the loopback interface", Fixes: []string{}},
			backend(EnvoyBuiltin, builtin, []Check{live, envoy, inotify}),
			backend(EnvoyIstiod, "real Envoy, configured by real istiod", []Check{live, envoy, istiod, namespaces, inotify}),
			backend(Kind, "real Envoy and istiod in a kind cluster", needed),
			{Name: Cluster, Note: "no namespace of your own cluster is named: faildrill doctor --context CONTEXT --namespace NAMESPACE looks at it", Fixes: []string{}},
		},
		Checks:   []Check{namespaces, live, envoy, istiod, istioctl, inotify, f.Cache.check(), golang, docker, kind},
		KeptRuns: append([]string{}, f.KeptRuns...),
	}
}

// backend can run when nothing that it needs is missing.
func backend(name, what string, needs []Check) Backend {
	b := Backend{Name: name, Runs: true, Note: what, Fixes: []string{}}
	var missing []string
	for _, c := range needs {
		if c.State != Missing {
			continue
		}
		missing = append(missing, c.Name)
		if c.Fix != "" && !slices.Contains(b.Fixes, c.Fix) {
			b.Fixes = append(b.Fixes, c.Fix)
		}
	}
	if len(missing) > 0 {
		b.Runs, b.Note = false, "missing: "+strings.Join(missing, ", ")
	}
	return b
}

func (f Facts) machine() string {
	m := f.OS + "/" + f.Arch
	if f.Kernel != "" {
		m += ", kernel " + f.Kernel
	}
	if f.Root {
		return m + ", root"
	}
	return m
}

func (p Program) check(name string) Check {
	if !p.ok() {
		return Check{Name: name, State: Missing, What: p.Error, Fix: p.Fix}
	}
	what := p.Path
	switch {
	case p.Path == "":
		what = p.Version
	case p.Version != "":
		what = p.Version + ", " + p.Path
	}
	return Check{Name: name, State: OK, What: what}
}

// envoy is one check of all releases of Envoy: one that runs is enough.
func (f Facts) envoy() Check {
	c := Check{Name: "envoy", State: Missing}
	var versions, broken []string
	for _, e := range f.Envoys {
		if e.ok() {
			versions = append(versions, e.Version)
			continue
		}
		broken = append(broken, e.Error)
		c.Fix = e.Fix
	}
	switch {
	case len(versions) > 0:
		c.State, c.Fix = OK, ""
		c.What = strings.Join(append([]string{strings.Join(versions, " ")}, broken...), "; ")
	case len(broken) > 0:
		c.What = strings.Join(broken, "; ")
	default:
		c.What, c.Fix = "no release is in the cache", "faildrill fetch envoy@1.40"
	}
	return c
}

// namespaces says which setting forbids them, when one does.
//
// Source: the manual pages namespaces(7) and user_namespaces(7); Ubuntu's release
// notes of 23.10 for the AppArmor setting.
func (f Facts) namespaces() Check {
	const name = "namespaces"
	n := f.Namespaces
	if f.OS != "linux" {
		return Check{Name: name, State: Missing, What: "this system has none; they are a part of Linux"}
	}
	if n.Made {
		what := "PID, network and mount namespaces"
		if n.WithUser {
			what = "user, " + what
		}
		return Check{Name: name, State: OK, What: what}
	}
	c := Check{Name: name, State: Missing, What: "refused: " + n.Error}
	forbids := func(setting string, is *int, bad, good int) bool {
		if is == nil || *is != bad {
			return false
		}
		c.What += fmt.Sprintf("; %s = %d", setting, bad)
		c.Fix = fmt.Sprintf("sudo sysctl -w %s=%d", setting, good)
		return true
	}
	const enough = 10000
	switch {
	case forbids("user.max_user_namespaces", n.MaxUserNamespaces, 0, enough),
		!f.Root && forbids("kernel.unprivileged_userns_clone", n.UnprivilegedUsernsClone, 0, 1),
		!f.Root && forbids("kernel.apparmor_restrict_unprivileged_userns", n.AppArmorRestrictUserns, 1, 0):
	case n.RestrictedByTheContainer:
		c.Fix = "start the container with --privileged, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
	case !f.Root:
		c.Fix = "run it as root"
	}
	return c
}

// inotify says whether Envoy can watch its files. It dies where it cannot.
//
// Source: inotify(7), /proc interfaces; Envoy's source/common/filesystem/inotify/watcher_impl.cc.
func (f Facts) inotify() Check {
	const name = "inotify"
	switch n := f.Inotify; {
	case f.OS != "linux":
		return Check{Name: name, State: OK, What: "not needed on this system"}
	case n.Free >= Plenty:
		return Check{Name: name, State: OK, What: "enough instances for many drills at once"}
	default:
		c := Check{Name: name, State: Note, What: fmt.Sprintf("%d more instances for this user: too few for many drills at once", n.Free)}
		if n.Free < aFew {
			c.State, c.What = Missing, fmt.Sprintf("%d more instances for this user: too few for an Envoy", n.Free)
		}
		if n.Limit != nil {
			c.What += fmt.Sprintf("; fs.inotify.max_user_instances = %d", *n.Limit)
			c.Fix = "sudo sysctl -w fs.inotify.max_user_instances=512"
		}
		return c
	}
}

func (d Disk) check() Check {
	c := Check{Name: "cache", State: OK, What: d.Dir}
	switch {
	case d.Error != "":
		c.State, c.What = Note, d.Error
		c.Fix = "set XDG_CACHE_HOME to a folder that can be written"
	case d.Free >= 0:
		c.What += fmt.Sprintf(", %.1f GB free", float64(d.Free)/1e9)
		if d.Free < need {
			c.State = Note
			c.Fix = "free 1 GB, or set XDG_CACHE_HOME to a folder on another disk"
		}
	}
	return c
}

// Lacks says which of the required backends cannot run; "" when all can.
func (r Report) Lacks(required []string) string {
	var lacks []string
	for _, want := range required {
		for _, b := range r.Backends {
			if !b.Runs && (b.Name == want || want == Envoy && strings.HasPrefix(b.Name, Envoy+"-")) {
				lacks = append(lacks, fmt.Sprintf("%s cannot run here (%s)", b.Name, b.Note))
			}
		}
	}
	return strings.Join(lacks, "; ")
}
