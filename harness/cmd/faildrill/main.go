// Command faildrill rehearses the failover of an Istio mesh: it predicts from
// the Istio YAML what clients will feel when a region dies, and plays it.
//
//	faildrill plan fixtures/recipes/external-failover/
//	faildrill run --on inproc scenarios/failover/external-failover-invalid-port.yaml
//	faildrill lint FILE...
//	faildrill list
//	faildrill judge DIR
//
// Results go to stdout, progress and errors to stderr. It leaves all deciding to
// the packages of harness.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/faildrill/faildrill/harness/scenario"
)

func main() {
	collectLate()
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// collectLate puts off the first garbage collection until 64 MB are in use:
// most runs are over before, and collecting would be a fifth of their time.
// From then on the usual rule holds. GOGC, when it is set, decides instead.
func collectLate() {
	const firstAt = 64 // MB; the runtime's own is 4 at 100 %
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(100 * firstAt / 4)
	// What nothing refers to is cleaned up by the first collection.
	runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, 100)
}

// Main runs the command line and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible()
	defer stop()
	a := &app{in: stdin, out: stdout, err: stderr}
	cmd := a.root()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return a.code.exit()
	}
	code := codeOf(err)
	var silent silentError
	if !errors.As(err, &silent) {
		fmt.Fprintln(stderr, message(err))
	}
	return code
}

// interruptible is a context that the first Ctrl-C ends; the second ends the program.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-c; !ok {
			return
		}
		cancel()
		if _, ok := <-c; ok {
			os.Exit(int(codeInterrupted))
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		close(c)
		cancel()
	}
}

// message is the error as the user gets it: the problems of an input one a
// line, anything else with the program's name.
func message(err error) string {
	var ps scenario.Problems
	if errors.As(err, &ps) {
		return ps.Error()
	}
	return "faildrill: " + err.Error()
}
