// Command faildrill-agent is what a drill runs in its pods.
//
//	faildrill-agent sleep     # a container's main process: waits until it is ended
//	faildrill-agent serve     # talks to the harness over standard input and output
//
// It is linked statically, so that it runs in an image that has nothing else.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/faildrill/faildrill/harness/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verb := ""
	if len(os.Args) == 2 {
		verb = os.Args[1]
	}
	switch verb {
	case "sleep":
		<-ctx.Done()
	case "serve":
		// A stream that ends is how the harness says that it is over.
		if err := agent.Serve(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "faildrill-agent:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "faildrill-agent sleep | serve: expected one of the two; faildrill starts it in a pod")
		os.Exit(2)
	}
}
