//go:build unix

package sandbox

import (
	"os/exec"
	"syscall"
)

// Group runs a program as the first process of a process group of its own: without
// namespaces, that is what holds it together with what it starts.
func Group(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for who started it
	return cmd
}

// EndGroup kills whatever is left of the group of a program that has ended.
func EndGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there may be none
	}
}

// EndOwnGroup kills the group of which this process is the first, and this process.
func EndOwnGroup() {
	if syscall.Getpgrp() == syscall.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL) // it does not return
	}
}
