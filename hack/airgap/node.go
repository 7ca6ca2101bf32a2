package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The images that kubeadm and istioctl ask for, baked into the node: nothing is
// pulled and nothing has to be loaded into a cluster.
const (
	registry = "registry.k8s.io/"
	istioHub = "docker.io/istio"
)

// istioTag names the images by their contents.
func istioTag(s *store) string { return "airgap-" + s.tag(istioPrograms) }

// controlPlane are the images of Kubernetes and Istio.
func controlPlane(s *store) []image {
	program := func(a *artifact, names ...string) layer {
		files := map[string]string{}
		for _, n := range names {
			files["/usr/local/bin/"+n] = s.path(a, n)
		}
		return layer{files: files}
	}
	slim := layer{dir: s.path(slimRoot, "root")}
	start := func(name string) []string { return []string{"/usr/local/bin/" + name} }
	template := s.path(istioTemplate, "envoy_bootstrap_tmpl.json")
	return []image{
		{tag: registry + "pause:" + pauseTag, layers: []layer{program(ownPrograms, "pause")}, entrypoint: start("pause")},
		{tag: registry + "kube-apiserver:v" + kubernetes, layers: []layer{program(kubernetesPrograms, "kube-apiserver")}},
		{tag: registry + "kube-controller-manager:v" + kubernetes, layers: []layer{program(kubernetesPrograms, "kube-controller-manager")}},
		{tag: registry + "kube-scheduler:v" + kubernetes, layers: []layer{program(kubernetesPrograms, "kube-scheduler")}},
		{tag: registry + "kube-proxy:v" + kubernetes, layers: []layer{slim, program(kubernetesPrograms, "kube-proxy")}},
		{tag: registry + "etcd:" + etcdTag, layers: []layer{program(etcdPrograms, "etcd")}},
		{tag: registry + "coredns/coredns:" + corednsTag, layers: []layer{program(corednsPrograms, "coredns")}, entrypoint: start("coredns")},
		// istiod's Deployment says runAsNonRoot, which wants a number.
		{tag: istioHub + "/pilot:" + istioTag(s), layers: []layer{program(istioPrograms, "pilot-discovery")}, entrypoint: start("pilot-discovery"), user: "1337:1337"},
		{
			tag: istioHub + "/proxyv2:" + istioTag(s), entrypoint: start("pilot-agent"),
			layers: []layer{slim, program(envoyProgram, "envoy"), program(istioPrograms, "pilot-agent"), {files: map[string]string{"/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": template}}},
		},
	}
}

// istioTemplate is the bootstrap that pilot-agent fills.
var istioTemplate = &artifact{
	name: "bootstrap", files: []string{"hack/tools/istio/go.mod"},
	build: func(ctx context.Context, s *store, out, _ string) error {
		dir, err := moduleDir(ctx, filepath.Join(s.root, "hack/tools/istio"), "istio.io/istio")
		if err != nil {
			return err
		}
		return copyFile(filepath.Join(out, "envoy_bootstrap_tmpl.json"), filepath.Join(dir, "tools/packaging/common/envoy_bootstrap.json"), 0o644)
	},
}

// moduleDir downloads a module that a go.mod requires, and says where it is.
func moduleDir(ctx context.Context, in string, path string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", path)
	cmd.Dir, cmd.Env = in, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var doc struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &doc); jsonErr == nil && doc.Error != "" {
		err = errors.New(doc.Error)
	}
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", path, err)
	}
	return doc.Dir, nil
}

// kindFiles are the files of kind's own base image.
var kindFiles = &artifact{
	name: "kind-files", inputs: []string{kind},
	build: func(ctx context.Context, s *store, out, _ string) error {
		dir, err := moduleDir(ctx, filepath.Join(s.root, "hack/airgap"), "sigs.k8s.io/kind@"+kind)
		if err != nil {
			return err
		}
		return copyTree(filepath.Join(out, "files"), filepath.Join(dir, "images/base/files"))
	},
}

// nodeImage is kindest/node as this machine can build it.
var nodeImage = &artifact{
	name: "node", files: []string{"hack/airgap/node", "hack/airgap/node.go", "hack/airgap/image.go"}, inputs: []string{kubernetes, etcdTag, corednsTag, pauseTag},
	needs: []*artifact{rootFS, slimRoot, kindFiles, kubernetesPrograms, containerdPrograms, cniPrograms, etcdPrograms, corednsPrograms, istioPrograms, istioTemplate, envoyProgram, ownPrograms},
	build: func(ctx context.Context, s *store, out, tag string) error {
		tmp, err := os.MkdirTemp(s.dir, ".node-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		root := filepath.Join(tmp, "root")
		if err := nodeTree(ctx, s, root); err != nil {
			return err
		}
		all := filepath.Join(root, "kind/images/all.tar")
		if err := os.MkdirAll(filepath.Dir(all), 0o755); err != nil {
			return err
		}
		if err := write(all, tmp, controlPlane(s)...); err != nil {
			return err
		}
		return write(filepath.Join(out, "image.tar"), tmp, image{
			tag: nodeTag(tag), layers: []layer{{dir: root}}, env: []string{"container=docker"},
			entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"}, stopSignal: "SIGRTMIN+3",
		})
	},
}

func nodeTag(tag string) string { return "faildrill/node:v" + kubernetes + "-" + tag }

// nodeTree is the node's file system.
func nodeTree(ctx context.Context, s *store, root string) error {
	if err := run(ctx, "", os.Environ(), "cp", "-a", s.path(rootFS, "root"), root); err != nil {
		return err
	}
	if err := copyTree(root, s.path(kindFiles, "files")); err != nil {
		return err
	}
	for _, dir := range []string{"usr/local/bin/entrypoint", "kind/bin"} {
		if err := run(ctx, "", os.Environ(), "chmod", "-R", "755", filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	programs := map[string]string{}
	for to, from := range map[string]struct {
		a     *artifact
		names []string
	}{
		"usr/local/bin": {containerdPrograms, []string{"containerd", "ctr", "containerd-shim-runc-v2"}},
		"usr/bin":       {kubernetesPrograms, []string{"kubeadm", "kubelet", "kubectl"}},
		"opt/cni/bin":   {cniPrograms, []string{"ptp", "host-local", "loopback", "portmap"}},
		// The real one beside it is Debian's.
		"usr/local/sbin": {ownPrograms, []string{"runc"}},
	} {
		for _, n := range from.names {
			programs[filepath.Join(to, n)] = s.path(from.a, n)
		}
	}
	programs["usr/local/sbin/runc.real"] = filepath.Join(root, "usr/sbin/runc")
	programs["usr/local/bin/pod-network"] = filepath.Join(s.root, "hack/airgap/node/pod-network")
	for to, from := range programs {
		if err := copyFile(filepath.Join(root, to), from, 0o755); err != nil {
			return err
		}
	}
	for to, from := range map[string]string{
		"etc/systemd/system/pod-network.service": "pod-network.service",
		"etc/systemd/system/load-images.service": "load-images.service",
		"kind/pods.conflist":                     "pods.conflist",
		"kind/manifests/default-cni.yaml":        "default-cni.yaml",
		"kind/manifests/default-storage.yaml":    "default-storage.yaml",
	} {
		if err := copyFile(filepath.Join(root, to), filepath.Join(s.root, "hack/airgap/node", from), 0o644); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(root, "kind/version"), "v"+kubernetes, 0o644); err != nil {
		return err
	}
	for _, dir := range []string{"etc/cni/net.d", "etc/kubernetes/manifests"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	spec, err := baseSpec(ctx, s.path(containerdPrograms, "ctr"))
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(root, "etc/containerd/cri-base.json"), spec, 0o644); err != nil {
		return err
	}
	// The node may run where oom_score_adj cannot be lowered.
	err = edit(filepath.Join(root, "etc/containerd/config.toml"), "/pause:3.10\"", "/pause:"+pauseTag+"\"", "restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
	if err != nil {
		return err
	}
	return units(ctx, root)
}

// baseSpec is containerd's own specification of a container, with the hook that
// kind has in it and no limits.
func baseSpec(ctx context.Context, ctr string) (string, error) {
	out, err := exec.CommandContext(ctx, ctr, "oci", "spec").Output()
	if err != nil {
		return "", fmt.Errorf("ctr oci spec: %w", err)
	}
	var spec map[string]any
	if err := json.Unmarshal(out, &spec); err != nil {
		return "", err
	}
	spec["hooks"] = map[string]any{"createContainer": []any{map[string]any{"path": "/kind/bin/mount-product-files.sh"}}}
	if p, ok := spec["process"].(map[string]any); ok {
		delete(p, "rlimits")
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	return string(text), err
}

// units leaves systemd what a container needs, as kind's image has it.
func units(ctx context.Context, root string) error {
	for _, unwanted := range []string{
		"lib/systemd/system/multi-user.target.wants/*", "etc/systemd/system/*.wants/*", "lib/systemd/system/local-fs.target.wants/*",
		"lib/systemd/system/sockets.target.wants/*udev*", "lib/systemd/system/sockets.target.wants/*initctl*", "lib/systemd/system/basic.target.wants/*",
		"lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
	} {
		names, err := filepath.Glob(filepath.Join(root, unwanted))
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := os.RemoveAll(n); err != nil {
				return err
			}
		}
	}
	if err := run(ctx, "", os.Environ(), "chroot", root, "systemctl", "enable", "kubelet", "containerd", "undo-mount-hacks", "load-images", "pod-network"); err != nil {
		return err
	}
	if err := run(ctx, "", os.Environ(), "chroot", root, "systemctl", "mask", "systemd-binfmt"); err != nil {
		return err
	}
	journald := filepath.Join(root, "etc/systemd/journald.conf")
	text, err := os.ReadFile(journald)
	if err != nil {
		return err
	}
	if err := writeFile(journald, string(text)+"ReadKMsg=no\n", 0o644); err != nil {
		return err
	}
	init := filepath.Join(root, "sbin/init")
	if err := os.Remove(init); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink("/usr/lib/systemd/systemd", init)
}

// edit replaces texts in a file; each has to be there.
func edit(name string, oldnew ...string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			return fmt.Errorf("%s has no %s", name, oldnew[i])
		}
	}
	return os.WriteFile(name, []byte(strings.NewReplacer(oldnew...).Replace(string(text))), 0o644)
}

// copyTree copies files and folders, writable.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		return copyFile(filepath.Join(to, rel), name, 0o644)
	})
}
