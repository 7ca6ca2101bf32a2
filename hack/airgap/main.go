// Command airgap builds what kind and Istio would pull from container registries:
// the node image, with Kubernetes and Istio inside, and the base of the client's
// image. It needs the Go module proxy, Debian's packages and an Envoy that
// faildrill fetched; no registry, and no Docker.
//
//	go -C hack/airgap run .           # build what is missing, 20 to 30 minutes the first time
//	go -C hack/airgap run . -check    # say what is present, stale or missing
//	go -C hack/airgap run . -prune    # remove what older versions left
//
// Everything lies in the cache of faildrill, below airgap/, named by a hash of its
// inputs; images.json there says what faildrill kind up is to use.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// artifacts are all that are built, those that others need first.
var artifacts = []*artifact{
	envoyProgram, ownPrograms, kindFiles, istioTemplate, rootFS, slimRoot,
	etcdPrograms, corednsPrograms, cniPrograms, containerdPrograms, istioPrograms, kubernetesPrograms,
	curlImage, nodeImage,
}

func main() {
	check := flag.Bool("check", false, "say what is there, build nothing; exit 1 when something is missing or stale")
	prune := flag.Bool("prune", false, "remove what older versions left")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := airgap(ctx, *check, *prune, os.Stdout)
	if ctx.Err() != nil {
		err = errors.New("interrupted; what was finished is kept")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "airgap:", err)
		os.Exit(1)
	}
}

func airgap(ctx context.Context, check, prune bool, out io.Writer) error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return fmt.Errorf("the images are for linux/amd64 and are built there, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	c, err := binaries.Default()
	if err != nil {
		return err
	}
	// go -C leaves the module's folder as the working one.
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	s := &store{dir: filepath.Join(c.Dir, "airgap"), root: root, keys: map[*artifact]string{}}
	if check {
		return report(s, out)
	}
	start := time.Now()
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	for _, a := range artifacts {
		if err := s.make(ctx, a, say); err != nil {
			return err
		}
	}
	if err := s.manifest(); err != nil {
		return err
	}
	if prune {
		gone, err := s.prune(artifacts)
		for _, name := range gone {
			say("removed %s", name)
		}
		if err != nil {
			return err
		}
	}
	say("%s: everything is there; it took %.0f s", s.dir, time.Since(start).Seconds())
	return nil
}

// report says the state of each artifact.
func report(s *store, out io.Writer) error {
	lacking := 0
	for _, a := range artifacts {
		state, err := s.state(a)
		if err != nil {
			return err
		}
		if state != present {
			lacking++
		}
		if _, err := fmt.Fprintf(out, "%-8s %s\n", state, s.keys[a]); err != nil {
			return err
		}
	}
	if lacking > 0 {
		return fmt.Errorf("%d of %d are missing or stale: go -C hack/airgap run .", lacking, len(artifacts))
	}
	return nil
}

// curlImage is the base of the client's image: curl, for people, and no shell.
var curlImage = &artifact{
	name: "curl", files: []string{"hack/airgap/image.go"}, needs: []*artifact{slimRoot},
	build: func(_ context.Context, s *store, out, tag string) error {
		tmp, err := os.MkdirTemp(s.dir, ".curl-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		return write(filepath.Join(out, "image.tar"), tmp, image{tag: curlTag(tag), layers: []layer{{dir: s.path(slimRoot, "root")}}})
	},
}

func curlTag(tag string) string { return "faildrill/curl:" + tag }

// manifest writes what kind up reads.
func (s *store) manifest() error {
	type archive struct {
		Image   string `json:"image"`
		Archive string `json:"archive"`
	}
	doc := struct {
		Schema     string  `json:"schema"`
		Kubernetes string  `json:"kubernetes"`
		Istio      string  `json:"istio"`
		Envoy      string  `json:"envoy"`
		Node       archive `json:"node"`
		Curl       archive `json:"curl"`
		Hub        string  `json:"hub"`
		Tag        string  `json:"tag"`
		Runc       string  `json:"runc"`
	}{
		Schema: "faildrill.dev/airgap/v1", Kubernetes: kubernetes, Istio: binaries.IstioVersion, Envoy: envoy,
		Node: archive{nodeTag(s.tag(nodeImage)), s.path(nodeImage, "image.tar")}, Curl: archive{curlTag(s.tag(curlImage)), s.path(curlImage, "image.tar")},
		Hub: istioHub, Tag: istioTag(s), Runc: s.path(ownPrograms, "runc"),
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.dir, ".images.json")
	if err := writeFile(tmp, string(text)+"\n", 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.dir, "images.json"))
}
