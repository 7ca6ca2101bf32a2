package doctor

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

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

// probeNamespaces starts a command that is set up to run in new namespaces. With
// Unshareflags the child also has to change a mount before it runs: where AppArmor
// restricts user namespaces they can be made, but nothing can be done in them.
func probeNamespaces(cmd *exec.Cmd, wait time.Duration) Namespaces {
	n := Namespaces{
		WithUser:                 cmd.SysProcAttr.Cloneflags&syscall.CLONE_NEWUSER != 0,
		UnprivilegedUsernsClone:  readInt("/proc/sys/kernel/unprivileged_userns_clone"),
		AppArmorRestrictUserns:   readInt("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		MaxUserNamespaces:        readInt("/proc/sys/user/max_user_namespaces"),
		RestrictedByTheContainer: inContainer(),
	}
	cmd.SysProcAttr.Unshareflags |= syscall.CLONE_NEWNS
	cmd.WaitDelay = wait
	runtime.LockOSThread() // the child ends with the thread that started it
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		late := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		err = cmd.Wait()
	}
	if n.Made = err == nil; n.Made {
		return n
	}
	var path *fs.PathError // its text names the program, which is not at fault
	if errors.As(err, &path) {
		err = path.Err
	}
	n.Error = err.Error()
	return n
}

// probeInotify makes inotify instances until it is refused.
func probeInotify() Inotify {
	i := Inotify{Limit: readInt("/proc/sys/fs/inotify/max_user_instances")}
	var fds []int
	for ; i.Free < Plenty; i.Free++ {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return i
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
