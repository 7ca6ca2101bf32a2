package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/backend"
)

func entry(what string) backend.Undo {
	return backend.Undo{What: what, Args: map[string]string{"name": "x"}}
}

func left(t *testing.T, d Dir) []Left {
	t.Helper()
	ls, err := d.Left()
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

func begin(t *testing.T, d Dir, run string, entries ...backend.Undo) *Journal {
	t.Helper()
	j, err := d.New(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := j.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// Nobody undoes what a run holds that goes on; what it left when it is gone is undone, the
// last entry first, and once.
func TestJournal(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "undo"))
	if ls := left(t, d); len(ls) != 0 {
		t.Fatalf("got %+v of a folder that is not there", ls)
	}
	j := begin(t, d, "drill", entry("first"), entry("second"))
	if ls := left(t, d); len(ls) != 0 {
		t.Fatalf("it goes on, and %+v is to be undone", ls)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	ls := left(t, d)
	if len(ls) != 1 || ls[0].Run != "drill" || !cmp.Equal(ls[0].Entries, []backend.Undo{entry("first"), entry("second")}) {
		t.Fatalf("got %+v", ls)
	}
	cannot := errors.New("it does not answer")
	var undone []string
	err := ls[0].Undo(func(u backend.Undo) error {
		undone = append(undone, u.What)
		if u.What == "second" {
			return cannot
		}
		return nil
	})
	if !errors.Is(err, cannot) || !cmp.Equal(undone, []string{"second", "first"}) {
		t.Fatalf("got %v, undone: %q", err, undone)
	}
	undone = nil
	ls = left(t, d)
	if len(ls) != 1 {
		t.Fatal("what could not be undone is forgotten")
	}
	if err := ls[0].Undo(func(u backend.Undo) error { undone = append(undone, u.What); return nil }); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(undone, []string{"second", "first"}) || len(left(t, d)) != 0 {
		t.Errorf("undone: %q; left: %+v", undone, left(t, d))
	}
}

// A run that ended well leaves nothing, not even a file.
func TestDone(t *testing.T) {
	d := Dir(t.TempDir())
	if err := begin(t, d, "drill", entry("a")).Done(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(string(d)); err != nil || len(files) != 0 {
		t.Errorf("got %v, %v", files, err)
	}
}

// A journal can end in the middle of an entry: what it was about to say was not done.
func TestCutOff(t *testing.T) {
	d := Dir(t.TempDir())
	if err := begin(t, d, "drill", entry("a"), entry("b")).Close(); err != nil {
		t.Fatal(err)
	}
	path := left(t, d)[0].path
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if err := os.WriteFile(path, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if ls := left(t, d); len(ls) != 1 || len(ls[0].Entries) > 1 {
			t.Fatalf("after %d bytes: %+v", n, ls)
		}
	}
}
