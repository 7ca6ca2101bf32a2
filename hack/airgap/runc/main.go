// Command runc passes a container on to the real runc without what a machine
// that lacks CAP_SYS_RESOURCE cannot give: that capability, a negative
// oomScoreAdj and limits above the own ones. dockerd uses it on such a machine,
// and so does containerd in a kind node there. It changes nothing elsewhere.
//
// The real one is runc.real beside it, or else /usr/sbin/runc.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	args := os.Args[1:]
	if file := specification(args); file != "" && !has(unix.CAP_SYS_RESOURCE) {
		// runc itself says what is wrong with a file that cannot be read.
		if err := reduce(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(os.Stderr, "runc wrapper:", err)
		}
	}
	real := "/usr/sbin/runc"
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), "runc.real"); unix.Access(beside, unix.X_OK) == nil {
			real = beside
		}
	}
	err := unix.Exec(real, append([]string{"runc"}, args...), os.Environ())
	fmt.Fprintf(os.Stderr, "runc wrapper: %s: %v\n", real, err)
	os.Exit(1)
}

// has says whether this process has a capability in its effective set.
func has(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[capability/32].Effective&(1<<(capability%32)) != 0
}

// specification is the file that runc will read: config.json of the bundle, or
// the file of a process; empty for other commands.
func specification(args []string) string {
	verb, bundle, process := "", ".", ""
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch name {
		case "create", "run", "exec":
			if verb == "" {
				verb = name
			}
		case "--bundle", "-b":
			bundle = value
		case "--process", "-p":
			process = value
		}
	}
	switch verb {
	case "create", "run":
		return filepath.Join(bundle, "config.json")
	case "exec":
		return process
	default:
		return ""
	}
}

// reduce writes the file anew without what this machine cannot give.
func reduce(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	reduced, err := without(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, reduced, 0o600)
}

func without(text []byte) ([]byte, error) {
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	process := spec
	if p, ok := spec["process"].(map[string]any); ok {
		process = p
	}
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for name, set := range sets {
			if list, ok := set.([]any); ok {
				sets[name] = slices.DeleteFunc(list, func(c any) bool { return c == "CAP_SYS_RESOURCE" })
			}
		}
	}
	if adj, ok := process["oomScoreAdj"].(float64); ok && adj < 0 {
		delete(process, "oomScoreAdj")
	}
	delete(process, "rlimits")
	return json.Marshal(spec)
}
