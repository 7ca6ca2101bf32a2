// Command maketools builds the heavy programs that drills on real Envoy need:
// istiod (pilot-discovery) and istioctl, unmodified, of the versions that
// hack/tools/istio pins. They are placed in the user's cache, where faildrill
// finds them; when they are there, nothing is done.
//
//	go run ./hack/maketools            # from the root of the repository
//	go run ./hack/maketools -print     # only the folder they belong in
//
// Two at once do not disturb each other: each builds into a folder of its own,
// and the one that is ready first is kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// module is where the versions are pinned.
const module = "hack/tools/istio"

func main() {
	show := flag.Bool("print", false, "print the folder of the programs, build nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *show, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "maketools:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, show bool, stdout, stderr io.Writer) error {
	c, err := binaries.Default()
	if err != nil {
		return err
	}
	key, err := keyOf(module)
	if err != nil {
		return fmt.Errorf("%w (run it from the root of the repository)", err)
	}
	dir := c.IstioDir()
	if filepath.Base(dir) != key {
		return fmt.Errorf("%s makes %s, faildrill looks for %s: run make update", module, key, filepath.Base(dir))
	}
	if show {
		_, err := fmt.Fprintln(stdout, dir)
		return err
	}
	if err := check(c); err == nil {
		_, err = fmt.Fprintf(stdout, "istiod and istioctl %s are in %s\n", binaries.IstioVersion, dir)
		return err
	}
	start := time.Now()
	fmt.Fprintf(stdout, "building istiod and istioctl %s into %s; the first time this takes about 5 minutes\n", binaries.IstioVersion, dir)
	err = binaries.Place(dir, func(tmp string) error { return build(ctx, tmp, stderr) }, func(string) bool { return check(c) == nil })
	if ctx.Err() != nil {
		return errors.New("interrupted, nothing is left")
	}
	if err != nil {
		return fmt.Errorf("building istiod and istioctl: %w", err)
	}
	if err := check(c); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "istiod and istioctl %s are in %s; it took %v\n", binaries.IstioVersion, dir, time.Since(start).Round(time.Second))
	return err
}

// keyOf is the name of the build that a module's files lead to.
func keyOf(module string) (string, error) {
	mod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	return binaries.IstioKey(mod, sum), nil
}

// check asks both programs in the cache for their version.
func check(c binaries.Cache) error {
	for _, find := range []func(string) (binaries.Binary, error){c.Istiod, c.Istioctl} {
		b, err := find("")
		if err != nil {
			return err
		}
		if b.Version != binaries.IstioVersion {
			return fmt.Errorf("%s says that it is %s, expected %s", b.Path, b.Version, binaries.IstioVersion)
		}
	}
	return nil
}

// build runs go build. The checksums of all modules are those of go.sum:
// -mod=readonly lets nothing be added.
func build(ctx context.Context, dir string, stderr io.Writer) error {
	args := append([]string{"build", "-mod=readonly", "-o", dir + string(filepath.Separator)}, binaries.IstioFlags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, binaries.IstioPackages()...)...)
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	// go removes its own temporary files when it is asked to stop.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	return cmd.Run()
}
