// Package istioctl shows the endpoints of a proxy the way operators look at them:
// through unmodified `istioctl proxy-config endpoints`, beside the table of the drill.
//
//	text, err := istioctl.Endpoints(ctx, path, answer, dir)     // answer: /clusters?format=json
//	text, err := istioctl.PodEndpoints(ctx, path, pod)          // of a pod, as people do
//	table, err := istioctl.Parse(text)
//	for _, d := range istioctl.Differences(rows, table) { ... } // where the two disagree
//
// With an answer istioctl reads a file: it asks no cluster and no proxy. It leaves out what
// other subcommands do.
package istioctl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// within bounds one call: it takes a sixth of a second on a quiet machine.
const within = 20 * time.Second

// Endpoints is what the program prints of a proxy's answer to /clusters?format=json.
// Its files are in the folder, and are removed.
func Endpoints(ctx context.Context, path string, answer []byte, dir string) (string, error) {
	home, err := os.MkdirTemp(dir, "istioctl-")
	if err != nil {
		return "", fmt.Errorf("running istioctl: %w", err)
	}
	defer os.RemoveAll(home)
	name := home + "/clusters.json"
	if err := os.WriteFile(name, answer, 0o600); err != nil {
		return "", fmt.Errorf("running istioctl: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "proxy-config", "endpoints", "--file", name)
	// Nobody's kubeconfig.
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}, home
	return output(cmd)
}

// Pod is one of a cluster.
type Pod struct{ Kubeconfig, Context, Namespace, Name string }

// PodEndpoints is what the program prints of a pod's proxy.
func PodEndpoints(ctx context.Context, path string, p Pod) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	args := []string{"proxy-config", "endpoints", p.Name + "." + p.Namespace, "--context", p.Context}
	if p.Kubeconfig != "" {
		args = append(args, "--kubeconfig", p.Kubeconfig)
	}
	return output(exec.CommandContext(ctx, path, args...))
}

func output(cmd *exec.Cmd) (string, error) {
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running istioctl: %w: %s", err, strings.Join(strings.Fields(stderr.String()), " "))
	}
	return stdout.String(), nil
}

// Row is one line of istioctl's table.
type Row struct {
	Endpoint     string `json:"endpoint"` // address:port
	Status       string `json:"status"`
	OutlierCheck string `json:"outlierCheck"`
	Cluster      string `json:"cluster"`
}

// columns is the head of the table.
const columns = "ENDPOINT STATUS OUTLIER CHECK CLUSTER"

// Parse reads the table.
func Parse(text string) ([]Row, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if head := strings.Join(strings.Fields(lines[0]), " "); head != columns {
		return nil, fmt.Errorf("reading the table of istioctl: it begins with %q, expected %q", head, columns)
	}
	var rows []Row
	for _, l := range lines[1:] {
		f := strings.Fields(l)
		if len(f) != 4 {
			return nil, fmt.Errorf("reading the table of istioctl: %q; expected an endpoint, two states and a cluster", l)
		}
		rows = append(rows, Row{f[0], f[1], f[2], f[3]})
	}
	return rows, nil
}

// bare is an address as istioctl writes it: IPv6 without brackets.
func bare(address string) string {
	return strings.NewReplacer("[", "", "]", "").Replace(address)
}

// Of reports whether the line is about the same endpoint as a row of the drill's table.
func (r Row) Of(own *trace.Row) bool {
	return r.Cluster == own.Cluster && bare(r.Endpoint) == bare(own.Address)
}

// Differences are the endpoints of the drill's clusters whose columns differ, one
// sentence each, in the order of the rows.
func Differences(rows []trace.Row, table []Row) []string {
	type key struct{ cluster, endpoint string }
	theirs := map[key]Row{}
	for _, r := range table {
		theirs[key{r.Cluster, bare(r.Endpoint)}] = r
	}
	var out []string
	ours, clusters := map[key]bool{}, map[string]bool{}
	for _, r := range rows {
		k := key{r.Cluster, bare(r.Address)}
		ours[k], clusters[r.Cluster] = true, true
		t, ok := theirs[k]
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("%s of %s: istioctl does not list it", r.Address, r.Cluster))
		case t.Status != r.Status || t.OutlierCheck != r.OutlierCheck:
			out = append(out, fmt.Sprintf("%s of %s: istioctl says %s / %s, this table %s / %s",
				r.Address, r.Cluster, t.Status, t.OutlierCheck, r.Status, r.OutlierCheck))
		}
	}
	for _, r := range table {
		if clusters[r.Cluster] && !ours[key{r.Cluster, bare(r.Endpoint)}] {
			out = append(out, fmt.Sprintf("%s of %s: only istioctl lists it", r.Endpoint, r.Cluster))
		}
	}
	return slices.Compact(out)
}
