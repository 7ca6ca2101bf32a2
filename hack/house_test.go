// Package hack holds the tests that keep the house in order.
package hack

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/faildrill/faildrill/"

// importsOf reads the import declarations of every package below the root, test
// files aside.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	fset := token.NewFileSet()
	root := ".."
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || p == filepath.Join(root, "hack", "tools") || p == filepath.Join(root, "hack", "bench")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(out[pkg], path) {
				out[pkg] = append(out[pkg], path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 15 {
		t.Fatalf("found %d packages; expected the whole project", len(out))
	}
	return out
}

// closure is what a package imports, itself or through packages of the project.
func closure(imports map[string][]string, pkg string) []string {
	seen := []string{}
	var visit func(string)
	visit = func(p string) {
		for _, i := range imports[p] {
			if slices.Contains(seen, i) {
				continue
			}
			seen = append(seen, i)
			if own, ok := strings.CutPrefix(i, module); ok {
				visit(own)
			}
		}
	}
	visit(pkg)
	return seen
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// TestImportRule keeps the directions of the house: who may know whom.
func TestImportRule(t *testing.T) {
	imports := importsOf(t)
	pure := []string{"harness/scenario", "harness/xds", "harness/istio", "harness/schedule", "harness/engine", "harness/trace", "harness/check", "harness/explain", "harness/result"}
	impure := []string{"net/http", "os/exec", module + "harness/backend", module + "harness/probe", module + "mockupstreams"}
	std := func(p string) bool { first, _, _ := strings.Cut(p, "/"); return !strings.Contains(first, ".") }

	for pkg := range imports {
		own := func(i string) string { return strings.TrimPrefix(i, module) }
		for _, i := range imports[pkg] {
			if strings.HasPrefix(i, module) && (under(own(i), "harness/cmd") || under(own(i), "e2e")) {
				t.Errorf("%s imports %s: nothing imports cmd or e2e", pkg, i)
			}
			if under(pkg, "mockupstreams") && !std(i) && !under(own(i), "mockupstreams") {
				t.Errorf("%s imports %s: mockupstreams imports the standard library only", pkg, i)
			}
			if strings.HasPrefix(pkg, "harness/engine/") && !std(i) && i != module+"harness/xds" {
				t.Errorf("%s imports %s: a part of the engine imports xds and the standard library only", pkg, i)
			}
			if pkg == "harness/xds" && !std(i) {
				t.Errorf("%s imports %s: xds is a leaf", pkg, i)
			}
			if b, ok := strings.CutPrefix(pkg, "harness/backend/"); ok && strings.HasPrefix(own(i), "harness/backend/") {
				if o := strings.TrimPrefix(own(i), "harness/backend/"); !under(o, strings.Split(b, "/")[0]) {
					t.Errorf("%s imports %s: a backend never imports another one", pkg, i)
				}
			}
		}
		for _, p := range pure {
			if !under(pkg, p) {
				continue
			}
			for _, i := range closure(imports, pkg) {
				for _, bad := range impure {
					if under(i, bad) {
						t.Errorf("%s reaches %s: it has to stay pure", pkg, i)
					}
				}
			}
		}
	}
}

// TestImportLight keeps the main module free of what belongs behind binaries.
func TestImportLight(t *testing.T) {
	for pkg, is := range importsOf(t) {
		for _, i := range is {
			if under(i, "istio.io/istio") || under(i, "k8s.io/kubernetes") {
				t.Errorf("%s imports %s", pkg, i)
			}
		}
	}
}

// TestImportSmallCommand keeps the start of faildrill quick: what talks to a
// real data plane is in a program of its own.
func TestImportSmallCommand(t *testing.T) {
	heavy := []string{"github.com/envoyproxy/go-control-plane", "google.golang.org/grpc", "github.com/miekg/dns", "github.com/vishvananda/netlink"}
	for _, i := range closure(importsOf(t), "harness/cmd/faildrill") {
		for _, h := range heavy {
			if under(i, h) {
				t.Errorf("faildrill links %s", i)
			}
		}
	}
}

// TestImportPackageComments asks every package for a comment that says what it does.
func TestImportPackageComments(t *testing.T) {
	fset := token.NewFileSet()
	for pkg := range importsOf(t) {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			p, err := parser.ParseFile(fset, f, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			said = said || p.Doc != nil
		}
		if !said {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}
