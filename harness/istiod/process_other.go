//go:build !linux

package istiod

import (
	"os"
	"os/exec"
)

// isolate does nothing: process groups and parent-death signals are Linux's.
func isolate(*exec.Cmd) {}

func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // an error means that it has gone
	}
}
