package binaries

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// NotFoundError is a program that is not on this machine, and how to get it.
type NotFoundError struct {
	What string // "envoy 1.40.0"
	Fix  string // a command: "faildrill fetch envoy@1.40.0"
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s is not on this machine: run %s", e.What, e.Fix)
}

// UnknownVersionError is a version of Envoy that has no pinned checksum.
type UnknownVersionError struct {
	Version string
	Known   []string // oldest first
}

func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("unknown version %q of envoy; expected one of %s, or the first two numbers of one", e.Version, strings.Join(e.Known, ", "))
}

// fullDisk puts "the disk is full" into words: which folder, and how much is needed.
func fullDisk(err error, dir, what string) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("no space left for %s in %s, which takes about 200 MB while it is unpacked: %w", what, dir, err)
	}
	return err
}
