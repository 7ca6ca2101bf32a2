// Command faildrill-cluster is the part of faildrill that knows Kubernetes: faildrill
// starts it for `kind up`, `kind down` and drills on kind and cluster. It is a
// program of its own because its libraries are heavy.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/faildrill/faildrill/harness/backend/kindcluster/inside"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/kindup"
)

func main() {
	if len(os.Args) == 1 {
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
	default:
		say("faildrill-cluster is started by faildrill")
		os.Exit(2)
	}
	if err != nil {
		say("faildrill: %v", err)
		os.Exit(3)
	}
}
