// Command faildrill-agent is what a drill runs in its pods.
//
//	faildrill-agent sleep     # a container's main process: waits until it is ended
//	faildrill-agent serve     # talks to the harness over standard input and output
//	faildrill-agent detour '{"to": {"10.10.0.1": "172.18.0.5"}}'
//	                          # leads the pod's connections to where somebody listens (package detour)
//	faildrill-agent firewall '{"drop": ["0.0.0.0:80"]}'
//	                          # replaces the rules of the network namespace (package firewall)
//
// It is linked statically, so that it runs in an image that has nothing else.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/detour"
	"github.com/faildrill/faildrill/harness/firewall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verb := ""
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch {
	case verb == "sleep" && len(os.Args) == 2:
		<-ctx.Done()
	case verb == "detour" && len(os.Args) == 3:
		if err := setDetours(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "faildrill-agent:", err)
			os.Exit(1)
		}
	case verb == "firewall" && len(os.Args) == 3:
		if err := setFirewall(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "faildrill-agent:", err)
			os.Exit(1)
		}
	case verb == "serve" && len(os.Args) == 2:
		// A stream that ends is how the harness says that it is over.
		if err := agent.Serve(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "faildrill-agent:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "faildrill-agent sleep | serve | detour RULES | firewall RULES: expected one of the four; faildrill starts it in a pod or a container")
		os.Exit(2)
	}
}

func setDetours(text string) error {
	var r detour.Rules
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("reading the detours: %w", err)
	}
	return r.Set()
}

func setFirewall(text string) error {
	var r firewall.Rules
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("reading the rules: %w", err)
	}
	return r.Set()
}
