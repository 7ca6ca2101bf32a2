//go:build !linux

package sandbox

import (
	"fmt"
	"os/exec"
	"runtime"
)

// Check says why this system has no namespaces.
func Check() error {
	return fmt.Errorf("%w: %s has none; they are Linux's", ErrUnavailable, runtime.GOOS)
}

// Command is of no use here.
func Command(path string, args ...string) *exec.Cmd { return exec.Command(path, args...) }

// Detach does nothing: nothing is started here.
func Detach(*exec.Cmd) {}

// Explain is the error as it is.
func Explain(err error) error { return err }

// Tie does nothing: a process that is killed here leaves what it has started.
func Tie(*exec.Cmd) {}
