package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// What a kind node needs of Debian.
var packages = []string{
	"systemd", "systemd-sysv", "conntrack", "iptables", "nftables", "ebtables", "iproute2", "ethtool", "util-linux", "mount", "kmod", "libseccomp2",
	"bash", "ca-certificates", "curl", "jq", "procps", "runc", "socat",
}

// rootFS is Debian's smallest system with the packages, and no package cache.
var rootFS = &artifact{
	name: "debian", inputs: append([]string{debian, "amd64"}, packages...),
	build: func(ctx context.Context, _ *store, out, _ string) error {
		if os.Geteuid() != 0 {
			return fmt.Errorf("debootstrap needs root")
		}
		root := filepath.Join(out, "root")
		args := []string{"--variant=minbase", "--arch=amd64", "--include=" + strings.Join(packages, ",")}
		// A machine that gets its packages from a mirror names it in its own list.
		args = append(args, debian, root)
		if m := mirror(); m != "" {
			args = append(args, m)
		}
		if err := run(ctx, out, append(os.Environ(), "DEBIAN_FRONTEND=noninteractive"), "debootstrap", args...); err != nil {
			return err
		}
		for _, unwanted := range []string{"var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"} {
			if err := emptyDir(filepath.Join(root, unwanted)); err != nil {
				return err
			}
		}
		return nil
	},
}

// mirror is the address that this machine's apt gets the suite from; empty: debootstrap's own.
func mirror() string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[1] == debian && f[2] == "main" {
			return f[0]
		}
	}
	return ""
}

// emptyDir removes what is in a folder.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// The programs of Debian that a slim root has, with all that they load. Envoy
// and the programs of faildrill that are linked dynamically need libc only.
var slimPrograms = []string{"/usr/sbin/xtables-nft-multi", "/usr/sbin/xtables-legacy-multi", "/usr/bin/curl"}

// slimRoot is a few megabytes: what Envoy, pilot-agent's iptables, kube-proxy
// and curl need. It has no shell.
var slimRoot = &artifact{
	name: "slim", inputs: slimPrograms, needs: []*artifact{rootFS, envoyProgram},
	build: func(ctx context.Context, s *store, out, _ string) error {
		from, to := s.path(rootFS, "root"), filepath.Join(out, "root")
		for _, dir := range []string{"usr/lib", "usr/lib64", "usr/sbin", "usr/bin", "etc/ssl/certs", "run", "var", "tmp"} {
			if err := os.MkdirAll(filepath.Join(to, dir), 0o755); err != nil {
				return err
			}
		}
		for _, dir := range []string{"lib", "lib64", "sbin", "bin"} {
			if err := os.Symlink("usr/"+dir, filepath.Join(to, dir)); err != nil {
				return err
			}
		}
		if err := os.Symlink("/run", filepath.Join(to, "var/run")); err != nil {
			return err
		}
		if err := os.Chmod(filepath.Join(to, "tmp"), 0o777|fs.ModeSticky); err != nil {
			return err
		}
		files, err := loaded(ctx, from, append(slices.Clone(slimPrograms), s.path(envoyProgram, "envoy")))
		if err != nil {
			return err
		}
		extensions, err := filepath.Glob(filepath.Join(from, "usr/lib/x86_64-linux-gnu/xtables/*.so"))
		if err != nil {
			return err
		}
		for _, e := range extensions {
			files = append(files, strings.TrimPrefix(e, from))
		}
		files = append(files, "/etc/ssl/certs/ca-certificates.crt", "/etc/nsswitch.conf")
		for _, f := range append(files, slimPrograms...) {
			if err := copyInto(to, from, f); err != nil {
				return err
			}
		}
		for _, v := range []string{"", "-nft", "-legacy"} {
			for _, name := range []string{"iptables" + v, "ip6tables" + v} {
				for _, verb := range []string{"", "-save", "-restore"} {
					program := "xtables-nft-multi"
					if v == "-legacy" {
						program = "xtables-legacy-multi"
					}
					if err := os.Symlink(program, filepath.Join(to, "usr/sbin", name+verb)); err != nil {
						return err
					}
				}
			}
		}
		for name, text := range map[string]string{
			"etc/passwd": "root:x:0:0::/:/\nistio-proxy:x:1337:1337::/var/lib/istio:/\n",
			"etc/group":  "root:x:0:\nistio-proxy:x:1337:\n",
		} {
			if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		return nil
	},
}

// loaded are the shared objects that programs load, by the loader of a root file
// system. A program outside of it is looked at through a copy.
func loaded(ctx context.Context, root string, programs []string) ([]string, error) {
	var files []string
	for _, p := range programs {
		inside := p
		if !there(filepath.Join(root, p)) {
			inside = "/tmp/" + filepath.Base(p)
			if err := copyFile(filepath.Join(root, inside), p, 0o755); err != nil {
				return nil, err
			}
			defer os.Remove(filepath.Join(root, inside))
		}
		out, err := exec.CommandContext(ctx, "chroot", root, "ldd", inside).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("ldd %s: %w: %s", inside, err, out)
		}
		lines := bufio.NewScanner(bytes.NewReader(out))
		for lines.Scan() {
			for _, word := range strings.Fields(lines.Text()) {
				if strings.HasPrefix(word, "/") && !slices.Contains(files, word) {
					files = append(files, word)
				}
			}
		}
	}
	return files, nil
}

// copyInto copies one file of a root file system to the same place of another,
// following symbolic links.
func copyInto(to, from, name string) error {
	real, err := filepath.EvalSymlinks(filepath.Join(from, name))
	if err != nil {
		return err
	}
	i, err := os.Stat(real)
	if err != nil {
		return err
	}
	target := filepath.Join(to, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return copyFile(target, real, i.Mode().Perm())
}
