// Package program finds and asks faildrill-cluster, the part of faildrill that knows
// Kubernetes, for those who do not link it.
//
//	p, err := program.Find()
//	out, err := program.Ask(ctx, p, nil, "kind", "status")
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/faildrill/faildrill/harness/binaries"
)

// Variable names the program faildrill-cluster when it is not beside the executable.
const Variable = "FAILDRILL_CLUSTER"

// ErrMissing says that faildrill-cluster is not to be found.
var ErrMissing = errors.New("the program faildrill-cluster is missing")

// Find finds faildrill-cluster: $FAILDRILL_CLUSTER, beside this executable, or in PATH.
func Find() (string, error) {
	p, err := binaries.Own("faildrill-cluster", Variable)
	switch {
	case errors.Is(err, binaries.ErrNowhere):
		return "", fmt.Errorf("%w: %w; build it: make build", ErrMissing, err)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrMissing, err)
	}
	return p, nil
}

// Ask has faildrill-cluster do something, and is what it answers. The error is in its words.
func Ask(ctx context.Context, program string, in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), ctx.Err())
	}
	if why := strings.TrimSpace(strings.TrimPrefix(said.String(), "faildrill: ")); why != "" {
		return "", errors.New(why)
	}
	return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
}
