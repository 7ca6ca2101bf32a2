package istiod

import (
	"os/exec"
	"syscall"
)

// isolate gives the child a process group of its own, and makes it die with its parent.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // an error means that it has gone
