package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command runs a program as the first process of new namespaces. Root needs
// no user namespace, others get one in which they are root. The caller starts it
// on a goroutine that is locked to its thread until the program has ended: when the
// thread ends, the program does.
func Command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // Ctrl-C is for who started it
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// Detach lets a command outlive who starts it: neither its end nor that of its terminal ends the command.
func Detach(cmd *exec.Cmd) {
	cmd.SysProcAttr.Pdeathsig = 0
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
}

// Explain turns the error of starting such a command, or of Enter, into one that
// says what the system forbids and what allows it.
func Explain(err error) error {
	if err == nil || !(errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL)) {
		return err
	}
	return fmt.Errorf("%w: %v%s", ErrUnavailable, err, remedy(sysctl))
}

// Check says why this process gets no namespaces; nil if it does.
func Check() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return Explain(Command("/bin/true").Run())
}

// sysctl reads a kernel setting; "" if there is none of the name.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// remedy is the command that allows an ordinary user namespaces.
func remedy(sysctl func(string) string) string {
	const closing = "; this allows them: sudo sysctl -w "
	switch {
	case os.Geteuid() == 0:
		return "; even root is refused, as in a container without CAP_SYS_ADMIN"
	case sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1":
		return closing + "kernel.apparmor_restrict_unprivileged_userns=0"
	case sysctl("kernel.unprivileged_userns_clone") == "0":
		return closing + "kernel.unprivileged_userns_clone=1"
	case sysctl("user.max_user_namespaces") == "0":
		return closing + "user.max_user_namespaces=15000"
	}
	return ""
}

// Tie lets a command end with the thread that starts it, however that ends.
func Tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
