package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// A module of hack/tools whose programs are built.
type module struct {
	name     string
	flags    []string
	packages []string // default: the module's tools
}

const component = "k8s.io/component-base/version."

var (
	kubernetesPrograms = programs(module{name: "kubernetes", packages: []string{"tool"}, flags: []string{"-trimpath", "-ldflags=-s -w -X " + component + "gitVersion=v" + kubernetes +
		" -X " + component + "gitMajor=1 -X " + component + "gitMinor=" + minor(kubernetes) + " -X " + component + "gitTreeState=clean -X " + component + "gitCommit=unknown"}})
	containerdPrograms = programs(module{name: "containerd", packages: []string{"tool"}, flags: []string{"-trimpath", "-ldflags=-s -w", "-tags=no_btrfs no_zfs no_aufs no_devmapper"}})
	cniPrograms        = programs(module{name: "cni", packages: []string{"tool"}, flags: []string{"-trimpath", "-ldflags=-s -w"}})
	etcdPrograms       = programs(module{name: "etcd", packages: []string{"."}, flags: []string{"-trimpath", "-ldflags=-s -w"}})
	corednsPrograms    = programs(module{name: "coredns", packages: []string{"."}, flags: []string{"-trimpath", "-ldflags=-s -w"}})
	// As make tools builds them, so that Go's cache serves both.
	istioPrograms = programs(module{name: "istio", flags: binaries.IstioFlags(), packages: []string{
		"istio.io/istio/pilot/cmd/pilot-discovery", "istio.io/istio/pilot/cmd/pilot-agent",
	}})
)

// minor is the 36 of 1.36.3.
func minor(version string) string { return strings.Split(version, ".")[1] }

func programs(m module) *artifact {
	dir := "hack/tools/" + m.name
	return &artifact{
		name: m.name, files: []string{dir}, inputs: append(append([]string{"GOARCH=amd64"}, m.flags...), m.packages...),
		build: func(ctx context.Context, s *store, out, _ string) error {
			args := append([]string{"build", "-mod=readonly", "-o", out + string(filepath.Separator)}, m.flags...)
			return goTool(ctx, filepath.Join(s.root, dir), append(args, m.packages...)...)
		},
	}
}

// own are programs of this module that go into the node.
var ownPrograms = &artifact{
	name: "own", files: []string{"hack/airgap/runc", "hack/airgap/pause"},
	build: func(ctx context.Context, s *store, out, _ string) error {
		return goTool(ctx, filepath.Join(s.root, "hack/airgap"), "build", "-trimpath", "-ldflags=-s -w", "-o", out+string(filepath.Separator), "./runc", "./pause")
	},
}

// envoyProgram is the Envoy that faildrill fetched.
var envoyProgram = &artifact{
	name: "envoy", inputs: []string{envoy},
	build: func(_ context.Context, _ *store, out, _ string) error {
		c, err := binaries.Default()
		if err != nil {
			return err
		}
		b, err := c.Envoy(envoy)
		if err != nil {
			return fmt.Errorf("%w: faildrill fetch envoy@%s", err, envoy)
		}
		return copyFile(filepath.Join(out, "envoy"), b.Path, 0o755)
	},
}

func goTool(ctx context.Context, dir string, args ...string) error {
	return run(ctx, dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64"), "go", args...)
}

// run runs a program; what it says is the error.
func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, last(string(out), 2000))
	}
	return nil
}

// last is the end of a text.
func last(text string, n int) string {
	text = strings.TrimSpace(text)
	if len(text) > n {
		text = "... " + text[len(text)-n:]
	}
	return text
}
