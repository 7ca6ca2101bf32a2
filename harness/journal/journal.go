// Package journal is what has to be undone if a run is killed: a file a run, with an
// entry for each change outside this process, on the disk before the change is made.
//
//	d, err := journal.Default()
//	j, err := d.New("external-failover")       // held until it is closed, or the process is gone
//	err = j.Add(undo)                          // on the disk when it returns
//	err = j.Done()                             // all is undone: the file goes
//
//	left, err := d.Left()                      // those of runs that are gone
//	err = left[0].Undo(func(u backend.Undo) error { ... })
//
// What an entry says may have been undone already, or not begun: undoing is asked
// for a state, not for a step. It leaves out how anything is undone.
package journal

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/binaries"
)

// Dir is the folder of the journals of a user's runs.
type Dir string

// Default is the folder in the user's cache.
func Default() (Dir, error) {
	c, err := binaries.Default()
	return Dir(filepath.Join(c.Dir, "undo")), err
}

const ending = ".jsonl"

// first is the first line of a journal.
type first struct {
	Run string `json:"run"` // its name, for people
}

// Journal is that of a run that goes on.
type Journal struct {
	file *os.File
	lock *flock.Flock
}

// New begins the journal of a run.
func (d Dir) New(run string) (*Journal, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("beginning the undo journal: %w", err)
	}
	// Locked under a name that nobody looks at, so that it is never seen unheld.
	path := filepath.Join(string(d), strings.ToLower(rand.Text()[:12]))
	lock := flock.New(path + ".tmp")
	if _, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("beginning the undo journal: %w", err)
	}
	file, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("beginning the undo journal: %w", err), lock.Close(), os.Remove(path+".tmp"))
	}
	j := &Journal{file: file, lock: lock}
	if err := errors.Join(j.write(first{run}), os.Rename(path+".tmp", path+ending)); err != nil {
		return nil, errors.Join(fmt.Errorf("beginning the undo journal: %w", err), j.Close(), os.Remove(path+".tmp"))
	}
	return j, nil
}

func (j *Journal) write(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = j.file.Write(append(b, '\n'))
	}
	if err == nil {
		err = j.file.Sync()
	}
	return err
}

// Add writes an entry to the disk.
func (j *Journal) Add(u backend.Undo) error {
	if err := j.write(u); err != nil {
		return fmt.Errorf("writing the undo journal: %w", err)
	}
	return nil
}

// Close leaves the journal to who cleans.
func (j *Journal) Close() error { return errors.Join(j.file.Close(), j.lock.Close()) }

// Done removes the journal: there is nothing left to undo.
func (j *Journal) Done() error {
	return errors.Join(os.Remove(strings.TrimSuffix(j.file.Name(), ".tmp")+ending), j.Close())
}

// Left is what a run left that is gone.
type Left struct {
	Run     string
	Entries []backend.Undo // in the order in which they were made
	path    string
}

// Left are the journals that nobody holds, by their names.
func (d Dir) Left() ([]Left, error) {
	names, err := filepath.Glob(filepath.Join(string(d), "*"+ending))
	if err != nil {
		return nil, err
	}
	var left []Left
	for _, name := range names {
		l, held, err := read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its run has just ended
		}
		if err != nil {
			return nil, fmt.Errorf("reading the undo journal %s: %w", name, err)
		}
		if !held {
			left = append(left, l)
		}
	}
	return left, nil
}

// read reads a journal, unless somebody holds it. A last line that is cut off was never
// acted on.
func read(name string) (l Left, held bool, err error) {
	// Nothing is made where a journal has just gone.
	lock := flock.New(name, flock.SetFlag(os.O_RDWR))
	free, err := lock.TryLock()
	if err != nil || !free {
		return l, !free && err == nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	text, err := os.ReadFile(name)
	if err != nil {
		return l, false, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	l.path = name
	s := bufio.NewScanner(bytes.NewReader(text))
	for n := 0; s.Scan(); n++ {
		if n == 0 {
			var f first
			err = json.Unmarshal(s.Bytes(), &f)
			l.Run = f.Run
		} else {
			var u backend.Undo
			err = json.Unmarshal(s.Bytes(), &u)
			l.Entries = append(l.Entries, u)
		}
		if err != nil {
			return l, false, err
		}
	}
	return l, false, s.Err()
}

// Undo undoes the entries, the last first, and removes the journal. When one cannot be
// undone the others are all the same, and the journal stays.
func (l *Left) Undo(undo func(backend.Undo) error) error {
	var errs []error
	for _, u := range slices.Backward(l.Entries) {
		if err := undo(u); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
