package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/incluster/program"
	"github.com/faildrill/faildrill/harness/journal"
)

// leftBehind are the journals of the runs that were killed.
func leftBehind() ([]journal.Left, error) {
	d, err := journal.Default()
	if err != nil {
		return nil, environmentError{err}
	}
	left, err := d.Left()
	if err != nil {
		return nil, environmentError{err}
	}
	return left, nil
}

func ofRun(left []journal.Left, run string) []journal.Left {
	return slices.DeleteFunc(slices.Clone(left), func(l journal.Left) bool { return l.Run != run })
}

// whatIsLeft is what a journal has, for people.
func whatIsLeft(l journal.Left) string {
	if len(l.Entries) == 0 {
		return "before it changed anything"
	}
	var parts []string
	for _, u := range l.Entries {
		what := u.What
		for _, k := range []string{"namespace", "label"} {
			if v := u.Args[k]; v != "" {
				what += " " + v
			}
		}
		parts = append(parts, what)
	}
	return "to do: " + strings.Join(parts, ", ")
}

// undo removes what killed runs left. One that cannot be removed keeps its journal, and
// the others go on.
func (a *app) undo(ctx context.Context, left []journal.Left) error {
	var errs []error
	for _, l := range left {
		if err := l.Undo(func(u backend.Undo) error { return undoEntry(ctx, u) }); err != nil {
			errs = append(errs, fmt.Errorf("cleaning after %s: %w", l.Run, err))
			continue
		}
		fmt.Fprintf(a.out, "cleaned after %s\n", l.Run)
	}
	if err := errors.Join(errs...); err != nil {
		return environmentError{err}
	}
	return nil
}

// undoEntry has faildrill-cluster undo an entry.
func undoEntry(ctx context.Context, u backend.Undo) error {
	at, err := program.Find()
	if err != nil {
		return err
	}
	in, err := json.Marshal(u)
	if err != nil {
		return err
	}
	_, err = program.Ask(ctx, at, in, "undo")
	return err
}
