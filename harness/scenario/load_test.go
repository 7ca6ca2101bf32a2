package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"
)

const (
	aService = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints: [{address: a.com}, {address: b.com}]
`
	aScenario = `apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: s}
spec: {config: [config/]}
`
)

// write makes a folder of files and goes there.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func names(inputs []*Input) string {
	var all []string
	for _, in := range inputs {
		all = append(all, in.Name)
	}
	return strings.Join(all, " ")
}

// TestInputs says which inputs a command line is, or what is wrong with it.
func TestInputs(t *testing.T) {
	write(t, map[string]string{
		"plain/se.yaml":            aService,
		"plain/sub/dr.json":        `{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "db"}, "spec": {"host": "mydb.com"}}`,
		"plain/.hidden.yaml":       "not: [yaml",
		"plain/.git/x.yaml":        "not: [yaml",
		"plain/kustomization.yaml": "resources: [se.yaml]",
		"plain/values.yaml":        "replicas: 1",
		"typo/se.yaml":             strings.Replace(aService, "apiVersion", "apiversoin", 1),
		"typo/dr.yaml":             "apiVersoin: x\nkin: y\n",
		"plain/comments.yaml":      "# nothing",
		"plain/README.md":          "text",
		"drills/one.yaml":          strings.Replace(aScenario, "config/", "../plain/", 1),
		"drills/deep/two.yaml":     strings.NewReplacer("config/", "../../plain/se.yaml", "name: s", "name: two").Replace(aScenario),
		"drills/ignored.yaml":      aService,
		"copied/mine.yaml":         strings.NewReplacer("config/", "../../fixtures/recipes/external-failover/", "name: s", "name: mine").Replace(aScenario),
		"list.yaml":                "apiVersion: v1\nkind: List\nitems: []\n",
		"dup/a.yaml":               aService,
		"dup/b.yaml":               aService,
	})
	for _, tt := range []struct {
		why, paths, stdin, want string
	}{
		{"a folder without a scenario is one configuration", "plain", "", "plain"},
		{"plain files together are one configuration", "plain/se.yaml plain/sub/dr.json", "", "se"},
		{"plain files of one folder have its name", "plain/comments.yaml plain/se.yaml", "", "error: plain/comments.yaml: is empty; expected a Scenario or Istio YAML"},
		{"two folders are two configurations", "plain plain/sub", "", "plain sub"},
		{"each scenario of a folder is one input", "drills", "", "two s"},
		{"a path that is named twice counts once", "drills drills/one.yaml ./drills/one.yaml", "", "two s"},
		{"standard input", "-", aService, "stdin"},
		{"a scenario on standard input, relative to here", "-", strings.Replace(aScenario, "config/", "plain", 1), "s"},
		{"standard input that is empty", "-", "", "error: <stdin>: is empty; expected a Scenario or Istio YAML"},
		{"what is missing on disk is embedded", "scenarios/failover/external-failover-invalid-port-fixed.yaml", "", "external-failover-invalid-port-fixed"},
		{"a copied scenario still finds the fixtures", "copied", "", "mine"},
		{"configurations of one name are numbered", "plain/sub fixtures/recipes/external-failover", "", "sub external-failover"},
		{"a missing file", "plian/se.yaml", "", `error: no file or folder "plian/se.yaml"; did you mean "plain"?`},
		{"a missing file in a folder", "plain/sr.yaml", "", `error: no file or folder "plain/sr.yaml"; did you mean "plain/se.yaml"?`},
		{"a missing file in an embedded folder", "fixtures/recipes/external-failover/rule.yaml", "",
			`error: no file or folder "fixtures/recipes/external-failover/rule.yaml"; fixtures/recipes/external-failover holds destinationrule.yaml, serviceentry.yaml`},
		{"a file is no folder", "plain/se.yaml/x", "", `error: no file or folder "plain/se.yaml/x"; "plain/se.yaml" is a file`},
		{"a file of a folder that was meant for us", "typo", "", `error: typo/dr.yaml:1:1: is neither an Istio resource nor a Scenario: it has no apiVersion and no kind; did you mean "apiVersion" where it says "apiVersoin"?
typo/se.yaml:1:1: kind ServiceEntry needs apiVersion networking.istio.io/v1, found none`},
		{"a file that is no Kubernetes object", "plain/values.yaml", "", "error: plain/values.yaml:1:1: is neither an Istio resource nor a Scenario: it has no apiVersion and no kind"},
		{"an empty list", "list.yaml", "", "error: list.yaml: has no Istio resource"},
		{"one object in two files", "dup", "", "error: dup/b.yaml:1:1: ServiceEntry default/db is already defined at dup/a.yaml:1:1"},
		{"every path is looked at", "nothing list.yaml", "", "error: no file or folder \"nothing\"\nlist.yaml: has no Istio resource"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			files := Disk()
			files.Stdin = strings.NewReader(tt.stdin)
			inputs, err := Load(files, strings.Fields(tt.paths))
			got := names(inputs)
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != tt.want {
				t.Errorf("Load(%s)\n got %s\nwant %s", tt.paths, got, tt.want)
			}
		})
	}
}

func TestEmbeddedIsNoted(t *testing.T) {
	t.Chdir(t.TempDir())
	inputs, err := Load(Disk(), []string{"scenarios/failover/external-failover-invalid-port-fixed.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"fixtures/recipes/external-failover-fixed",
		"fixtures/recipes/external-failover-fixed-invalid-port",
		"scenarios/failover/external-failover-invalid-port-fixed.yaml",
	}
	if diff := cmp.Diff(want, inputs[0].Embedded); diff != "" {
		t.Error(diff)
	}
}

func TestTooLarge(t *testing.T) {
	write(t, map[string]string{"big.yaml": "# " + strings.Repeat("x", maxFileSize)})
	_, err := Load(Disk(), []string{"big.yaml"})
	if err == nil || err.Error() != "big.yaml: is larger than 10 MiB" {
		t.Errorf("got %v", err)
	}
}

func TestTooMuchWrong(t *testing.T) {
	write(t, map[string]string{"wrong.yaml": strings.Repeat("a: 1\n", 5000)})
	_, err := Load(Disk(), []string{"wrong.yaml"})
	problems, _ := err.(Problems)
	if len(problems) != maxProblems+1 || problems[maxProblems].String() != "and 4000 more problems" {
		t.Errorf("got %d problems, the last: %v", len(problems), problems[len(problems)-1])
	}
}

func TestChecks(t *testing.T) {
	write(t, map[string]string{"s.yaml": strings.Replace(aScenario, "{config: [config/]}", `
  profile: "1.2"
  expect: [{name: x, cel: "1 +"}]
---
`+aService, 1)})
	files := Disk()
	files.Checks = Checks{
		Profile: func(p string) error { return &os.PathError{Op: "profile", Path: p, Err: os.ErrNotExist} },
		CEL:     func(e string) error { return &os.PathError{Op: "cel", Path: e, Err: os.ErrInvalid} },
	}
	_, err := Load(files, []string{"s.yaml"})
	want := "s.yaml:5:3: spec.profile: profile 1.2: file does not exist\ns.yaml:6:22: spec.expect[0].cel: cel 1 +: invalid argument"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestSaved plays what a run folder does: write the scenario with its defaults
// and its configuration, and load that again without the originals.
func TestSaved(t *testing.T) {
	inRoot(t)
	paths := []string{"scenarios/"}
	paths = append(paths, glob(t, here+"/testdata/ok/*.yaml")...)
	for _, p := range paths {
		inputs, err := Load(Disk(), []string{p})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range inputs {
			if in.Scenario != nil {
				t.Run(in.Name, func(t *testing.T) { saved(t, in) })
			}
		}
	}
}

func saved(t *testing.T, in *Input) {
	Defaults(in)
	bundle, err := Bundle(in)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name, text := range bundle {
		files[name] = string(text)
	}
	write(t, files)
	again, err := Load(Disk(), []string{"scenario.yaml"})
	if err != nil {
		t.Fatalf("%v\n%s", err, files["scenario.yaml"])
	}
	before := *again[0].Scenario
	Defaults(again[0])
	if diff := cmp.Diff(before, *again[0].Scenario); diff != "" {
		t.Errorf("defaults were not all written:\n%s", diff)
	}
	opts := []cmp.Option{
		protocmp.Transform(), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(Input{}, "File", "Documents", "Fields", "Skipped", "Warnings", "Embedded"),
		cmpopts.IgnoreFields(Spec{}, "Config"), cmpopts.IgnoreFields(Step{}, "Apply"),
		cmp.FilterPath(func(p cmp.Path) bool {
			name := p.Last().String()
			return name == ".Pos" || name == ".Fields"
		}, cmp.Ignore()),
	}
	if diff := cmp.Diff(in, again[0], opts...); diff != "" {
		t.Errorf("saved and loaded (-saved +loaded):\n%s", diff)
	}
}

func TestAfter(t *testing.T) {
	inRoot(t)
	inputs, err := Load(Disk(), []string{here + "/testdata/ok/full.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range map[int]string{-1: "db", 8: "db", 9: "db later", 10: "db", 99: "db"} {
		var got []string
		for _, r := range inputs[0].After(step) {
			got = append(got, r.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("after step %d: got %v, want %s", step, got, want)
		}
	}
}
