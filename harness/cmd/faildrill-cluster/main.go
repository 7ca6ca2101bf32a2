// Command faildrill-cluster is the part of faildrill that knows Kubernetes: faildrill
// starts it for `kind up`, `kind down` and drills on kind and cluster. It is a
// program of its own because its libraries are heavy.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/kindcluster/inside"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/kindup"
)

func main() {
	if len(os.Args) == 1 {
		signal.Ignore(os.Interrupt) // Ctrl-C is for who started this, who says so
		os.Exit(child.Serve(inside.Play, inside.Orphaned))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	var err error
	switch verb := strings.Join(os.Args[1:min(len(os.Args), 3)], " "); verb {
	case "kind up":
		_, err = kindup.Up(ctx, kindup.Options{Regions: os.Args[3:]}, say)
	case "kind down":
		err = kindup.Down(ctx, say)
	case "kind status":
		var c *kindup.Cluster
		if c, err = kindup.Find(ctx, kindup.Options{Regions: os.Args[3:]}); err == nil {
			fmt.Printf("Istio %s, Kubernetes %s, nodes in %s\n", c.Istio, c.Kubernetes, strings.Join(c.Regions, ", "))
		}
	case "undo":
		err = undo(ctx, os.Stdin)
	default:
		say("faildrill-cluster is started by faildrill")
		os.Exit(2)
	}
	if err != nil {
		say("faildrill: %v", err)
		os.Exit(3)
	}
}

// undo undoes the entries of a journal, one an object, in their order.
func undo(ctx context.Context, in io.Reader) error {
	for d := json.NewDecoder(in); ; {
		var u backend.Undo
		if err := d.Decode(&u); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading what is to be undone: %w", err)
		}
		if err := inside.Undo(ctx, u); err != nil {
			return err
		}
	}
}
