package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernel is the release of the kernel.
func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// probeNamespaces starts a child in namespaces of its own: as root without a user
// namespace, else, or when that is refused, with one.
func probeNamespaces(ctx context.Context, child []string) Namespaces {
	n := Namespaces{
		UnprivilegedUsernsClone:  readInt("/proc/sys/kernel/unprivileged_userns_clone"),
		AppArmorRestrictUserns:   readInt("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		MaxUserNamespaces:        readInt("/proc/sys/user/max_user_namespaces"),
		RestrictedByTheContainer: inContainer(),
	}
	ways := []bool{true}
	if os.Geteuid() == 0 {
		ways = []bool{false, true}
	}
	for _, user := range ways {
		err := start(ctx, child, user)
		if err == nil {
			n.Made, n.WithUser, n.Error = true, user, ""
			return n
		}
		if n.Error == "" {
			var path *fs.PathError // its text names the program, which is not at fault
			if errors.As(err, &path) {
				err = path.Err
			}
			n.Error = err.Error()
		}
	}
	return n
}

// start runs a command in new namespaces. The mount namespace is left to Unshareflags,
// with which the child also has to change a mount before it runs: where AppArmor
// restricts user namespaces they can be made, but nothing can be done in them.
func start(ctx context.Context, child []string, user bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, child[0], child[1:]...)
	a := &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if user {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	cmd.SysProcAttr = a
	return cmd.Run()
}

// inContainer says whether a container engine started this process, by the files
// that Docker and Podman leave.
func inContainer() bool {
	for _, name := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(name); err == nil {
			return true
		}
	}
	return false
}
