// Package kept is the runs that go on after their drill (--keep): which there are, what
// their proxies say, and their end.
//
//	registry, err := kept.Default()
//	entries, err := registry.List()                     // stale ones are removed
//	table, err := registry.Endpoints(ctx, entries[0])   // asks the run
//	err = registry.End(ctx, entries[0])
//
// A run is a process with a control socket, and a file that says where both are. The
// process removes its files when it ends by itself; of one that was killed they are
// stale, and go when somebody looks. It leaves out what a kept run does inside.
package kept

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// Schema is the version of the files of kept runs.
const Schema = "faildrill.dev/kept/v1"

// For is how long a run is kept at most.
const For = time.Hour

// Entry is a kept run.
type Entry struct {
	Schema   string    `json:"schema"`
	ID       string    `json:"id"` // its name among the kept runs
	PID      int       `json:"pid"`
	Started  string    `json:"started"` // when the process started, in the kernel's ticks: numbers are used again
	Folder   string    `json:"folder"`  // of the run, absolute; "" when nothing is stored
	Scenario string    `json:"scenario"`
	Envoy    string    `json:"envoy"`  // version
	Istiod   string    `json:"istiod"` // version; "" is built in
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
}

// String is the entry in one line.
func (e Entry) String() string {
	plane := "built in"
	if e.Istiod != "" {
		plane = "istiod " + e.Istiod
	}
	return fmt.Sprintf("%s: %s on Envoy %s, %s, until %s", e.ID, e.Scenario, e.Envoy, plane, e.Until.Local().Format("15:04"))
}

// Registry is the folder with the files of the kept runs of a user.
type Registry struct{ Dir string }

// Default is the registry in the user's cache.
func Default() (Registry, error) {
	c, err := binaries.Default()
	return Registry{filepath.Join(c.Dir, "kept")}, err
}

// The files of a run: its entry, and its control socket.
func (r Registry) entry(id string) string { return filepath.Join(r.Dir, id+".json") }

// Socket is where the run listens.
func (r Registry) Socket(id string) string { return filepath.Join(r.Dir, id+".sock") }

// longestSocket is the longest name of a UNIX socket that every system takes.
const longestSocket = 100

// NewID makes a name for a run, and the folder that its files will be in.
func (r Registry) NewID(scenario string) (string, error) {
	const longest = 30
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' {
			return c
		}
		return '-'
	}, strings.ToLower(scenario))
	id := strings.Trim(name[:min(len(name), longest)]+"-"+strings.ToLower(rand.Text()[:4]), ".-")
	if s := r.Socket(id); len(s) > longestSocket {
		return "", fmt.Errorf("keeping a run: %s is too long for the name of a socket; set XDG_CACHE_HOME to a shorter folder", s)
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return "", fmt.Errorf("keeping a run: %w", err)
	}
	return id, nil
}

// Release removes the files of a run.
func (r Registry) Release(id string) {
	for _, name := range []string{r.entry(id), r.Socket(id)} {
		_ = os.Remove(name) // it may be gone
	}
}

// Add puts down a run, before it is told that it is kept.
func (r Registry) Add(e Entry) error {
	e.Schema = Schema
	var err error
	if e.Started, err = startOf(e.PID); err != nil {
		return fmt.Errorf("keeping a run: %w", err)
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	tmp := r.Socket(e.ID) + ".tmp"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping a run: %w", err)
	}
	return os.Rename(tmp, r.entry(e.ID))
}

func (r Registry) read(name string) (Entry, error) {
	var e Entry
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err == nil && (e.Schema != Schema || e.ID+".json" != filepath.Base(name)) {
		err = fmt.Errorf("%s is no kept run", name)
	}
	return e, err
}

// List is the runs that are there, in order of their names. What killed runs left is removed.
func (r Registry) List() ([]Entry, error) {
	names, err := filepath.Glob(filepath.Join(r.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Entry
	for _, name := range names {
		e, err := r.read(name)
		if err != nil || !e.alive() {
			r.Release(strings.TrimSuffix(filepath.Base(name), ".json"))
			continue
		}
		out = append(out, e)
	}
	return out, r.sweep()
}

// sweep removes the sockets of runs that were killed before they were kept.
func (r Registry) sweep() error {
	names, err := filepath.Glob(r.Socket("*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		id := strings.TrimSuffix(filepath.Base(name), ".sock")
		if _, err := os.Stat(r.entry(id)); err == nil {
			continue
		}
		if c, err := net.Dial("unix", name); err == nil {
			c.Close() // it is about to be kept
			continue
		}
		r.Release(id)
	}
	return nil
}

// Find is the runs that a word on the command line means: a name, a scenario, or a folder.
func Find(entries []Entry, word string) []Entry {
	folder, err := filepath.Abs(word)
	var out []Entry
	for _, e := range entries {
		if e.ID == word {
			return []Entry{e}
		}
		if e.Scenario == word || err == nil && e.Folder != "" && e.Folder == folder {
			out = append(out, e)
		}
	}
	return out
}

// alive reports whether the process is there, and the same.
func (e Entry) alive() bool {
	started, err := startOf(e.PID)
	return err == nil && started == e.Started
}

// startOf is when a process started (field 22 of /proc/PID/stat: proc(5)).
func startOf(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name of the program comes second, in brackets, and can hold anything.
	i := strings.LastIndexByte(string(b), ')')
	const state, start = 3, 22
	fields := strings.Fields(string(b[i+1:]))
	if i < 0 || len(fields) <= start-state {
		return "", fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	if fields[0] == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[start-state], nil
}

// patience is how long a run may take to end by itself.
const patience = 10 * time.Second

// End ends a kept run, by force when it does not do so itself, and waits until it is gone.
func (r Registry) End(ctx context.Context, e Entry) error {
	asked, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := r.ask(asked, e, wordEnd); err == nil {
		e.awaitEnd(asked)
	}
	if e.alive() {
		p, err := os.FindProcess(e.PID)
		if err == nil {
			err = p.Kill()
		}
		if err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending %s: %w", e.ID, err)
		}
		killed, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		e.awaitEnd(killed)
	}
	if e.alive() {
		return fmt.Errorf("ending %s: process %d is still there", e.ID, e.PID)
	}
	r.Release(e.ID)
	return nil
}

func (e Entry) awaitEnd(ctx context.Context) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for e.alive() {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
