package program

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv(Variable, "")
	if _, err := Find(); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
	name := filepath.Join(t.TempDir(), "program")
	t.Setenv(Variable, name)
	if _, err := Find(); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho \"faildrill: it is $1\" >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := Find(); err != nil || p != name {
		t.Errorf("got %s, %v", p, err)
	}
	if _, err := Ask(t.Context(), name, nil, "down"); err == nil || err.Error() != "it is down" {
		t.Errorf("got %v, want its own words", err)
	}
}
