package binaries

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNowhere says that a program of faildrill's own is in none of the places.
var ErrNowhere = errors.New("neither beside")

// Own finds a program of faildrill's own: the file that the environment variable names,
// beside this executable, or in PATH.
func Own(name, variable string) (string, error) {
	if p := os.Getenv(variable); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("$%s is %s: %w", variable, p, err)
		}
		return filepath.Abs(p)
	}
	own, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(own), name)
		if i, err := os.Stat(beside); err == nil && i.Mode().IsRegular() {
			return beside, nil
		}
	}
	p, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("it is %w %s nor in PATH", ErrNowhere, own)
	}
	return filepath.Abs(p)
}
