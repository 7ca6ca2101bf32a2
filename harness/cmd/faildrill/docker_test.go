package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// fakeDocker answers as Docker's command line does, of what a script says: the images that it
// has are lines of the file $DOCKER_HAS, and what cannot be is in $DOCKER_REFUSES. There are
// no containers, and none can be made.
func fakeDocker() {
	args := strings.Join(os.Args[1:], " ")
	last := os.Args[len(os.Args)-1]
	refuse := func(why string) {
		fmt.Fprintln(os.Stderr, why)
		os.Exit(1)
	}
	for refused := range strings.SplitSeq(os.Getenv("DOCKER_REFUSES"), ",") {
		if refused != "" && strings.HasPrefix(args, refused) {
			refuse("Error response from daemon: no " + refused + " here")
		}
	}
	has := func() []string {
		text, err := os.ReadFile(os.Getenv("DOCKER_HAS"))
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	get := func(image string) {
		if err := os.WriteFile(os.Getenv("DOCKER_HAS"), []byte(strings.Join(append(has(), image), "\n")), 0o600); err != nil {
			refuse(err.Error())
		}
	}
	switch {
	case strings.HasPrefix(args, "version "):
		fmt.Println("20.10.24")
	case strings.HasPrefix(args, "info "):
		fmt.Println("{}")
	case strings.HasPrefix(args, "ps "):
		if strings.Contains(args, "name=") {
			fmt.Print(os.Getenv("DOCKER_CONTAINER"))
		}
	case strings.HasPrefix(args, "image ls "), strings.HasPrefix(args, "network "):
	case strings.HasPrefix(args, "image inspect "), strings.HasPrefix(args, "inspect --type=image "):
		if !slices.Contains(has(), last) {
			refuse("Error: No such image: " + last)
		}
		fmt.Println("sha256:00 12000000")
	case strings.HasPrefix(args, "pull "), strings.HasPrefix(args, "tag "):
		get(last)
	case strings.HasPrefix(args, "load "):
		get("faildrill/node:1")
	case strings.HasPrefix(args, "build "):
		get(os.Args[slices.Index(os.Args, "--tag")+1])
	case strings.HasPrefix(args, "save "):
		fmt.Print("no archive")
	default:
		refuse("Error response from daemon: no such thing")
	}
}

// fakeIstioctl says its version.
func fakeIstioctl() { fmt.Println(`{"clientVersion": {"version": "1.31.0"}}`) }

// built says that clusterPrograms was called.
var built bool

// clusterPrograms builds what faildrill starts for Kubernetes and Docker.
var clusterPrograms = sync.OnceValues(func() (string, error) {
	built = true
	dir, err := os.MkdirTemp("", "faildrill-programs-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../faildrill-cluster", "../faildrill-agent", "../../../mockupstreams/cmd/mockupstream")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// cmdCluster has the script's faildrill find faildrill-cluster, a Docker that a script makes up,
// and istioctl. They stand in the variables, so that PATH may lose them.
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: cluster")
	}
	dir, err := clusterPrograms()
	ts.Check(err)
	ts.Setenv("FAILDRILL_CLUSTER", filepath.Join(dir, "faildrill-cluster"))
	for variable, program := range map[string]string{"FAILDRILL_ISTIOCTL": "istioctl", "FAILDRILL": "faildrill"} {
		p, err := exec.LookPath(program)
		ts.Check(err)
		ts.Setenv(variable, p)
	}
	ts.Setenv("DOCKER_HAS", ts.MkAbs("docker-has"))
	ts.Setenv("XDG_CACHE_HOME", ts.MkAbs("cache"))
	for _, unset := range []string{"FAILDRILL_NODE_IMAGE", "FAILDRILL_HUB", "FAILDRILL_CURL_IMAGE", "FAILDRILL_KIND_CLUSTER", "FAILDRILL_AGENT", "FAILDRILL_MOCKUPSTREAM"} {
		ts.Setenv(unset, "")
	}
}
