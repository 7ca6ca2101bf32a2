package doctor

// Facts are what was seen of a machine.
type Facts struct {
	OS, Arch string // as Go spells them
	Kernel   string // release, "" where it was not asked for
	Root     bool

	Namespaces Namespaces
	Inotify    Inotify
	Live       Program // faildrill-live, which plays on Envoy
	Envoys     []Program
	Istiod     Program
	Istioctl   Program
	Go         Program
	Docker     Program // the version is that of the daemon
	Kind       Program // the kind cluster; its version is what it is made of
	Cache      Disk
	KeptRuns   []string // runs that were left standing with --keep, as they are to be printed
}

// Namespaces is what came of starting a child in PID, network and mount
// namespaces of its own.
type Namespaces struct {
	Made     bool
	WithUser bool   // in a user namespace too: the way of who is not root
	Error    string // why not, when they were not made
	// The settings that forbid them, nil where the kernel has no such setting.
	UnprivilegedUsernsClone  *int // kernel.unprivileged_userns_clone: 0 forbids
	AppArmorRestrictUserns   *int // kernel.apparmor_restrict_unprivileged_userns: 1 forbids
	MaxUserNamespaces        *int // user.max_user_namespaces: 0 forbids
	RestrictedByTheContainer bool // the process runs in a container
}

// Inotify is how many more inotify instances this user may have: each Envoy takes one for
// itself and one for every file that it reads its configuration from, istiod takes one.
type Inotify struct {
	Free  int  // at most Plenty are looked for
	Limit *int // fs.inotify.max_user_instances, nil where the kernel has no such setting
}

// Plenty of inotify instances are enough for a suite of drills, a few for one drill.
const (
	Plenty = 64
	aFew   = 8
)

// Program is one that is needed, or why it cannot be used.
type Program struct {
	Path    string // "" when it was not found
	Version string // "" when it was not asked
	Error   string
	Fix     string // the command that gets it, when there is an error and one is known
}

func (p Program) ok() bool { return p.Error == "" }

// Disk is the folder of the cache.
type Disk struct {
	Dir   string
	Free  int64 // bytes that are free for this user, -1 when not known
	Error string
}
