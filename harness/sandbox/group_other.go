//go:build !unix

package sandbox

import "os/exec"

// Group runs a program; this system has no process groups.
func Group(path string, args ...string) *exec.Cmd { return exec.Command(path, args...) }

// EndGroup does nothing here.
func EndGroup(*exec.Cmd) {}

// EndOwnGroup does nothing here.
func EndOwnGroup() {}
