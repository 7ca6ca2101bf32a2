package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
)

// batch is what one istiod, with one mesh configuration, is asked.
type batch struct {
	options
	dir     string
	mesh    mesh
	pairs   []pair
	summary *summary

	istiod     *istiod.Istiod
	generation int
}

// candidate is a pair under an identity.
type candidate struct {
	pair
	id        string
	documents []schedule.Document
	resources []*istio.Resource
}

// run validates the pairs, pushes the valid ones and compares.
func (b *batch) run(ctx context.Context) error {
	var all []*candidate
	for _, p := range b.pairs {
		all = append(all, newCandidate(p, fmt.Sprintf("h%d", p.number)))
	}
	if err := readAll(all); err != nil {
		return err
	}
	found, err := b.validate(ctx, all)
	if err != nil {
		return err
	}
	valid := b.valid(all)
	b.istiod, err = istiod.Start(ctx, istiod.Options{Binary: b.options.istiod, Dir: b.dir, MeshConfig: b.mesh.istiod, Documents: b.documents(valid)})
	if err != nil {
		return err
	}
	defer b.istiod.Stop()
	differences, err := b.compare(ctx, valid)
	if err != nil {
		return err
	}
	b.summary.drawn += len(all)
	b.summary.compared += len(valid)
	counts := b.summary.counts
	defer func() { b.summary.counts = counts }() // what shrinking compares does not count
	for _, d := range append(found, differences...) {
		if !b.summary.fresh(d) {
			continue
		}
		d, err := b.shrunk(ctx, d)
		if err != nil {
			return err
		}
		if err := b.summary.add(d, b.mesh.name); err != nil {
			return err
		}
	}
	return nil
}

func newCandidate(p pair, id string) *candidate {
	return &candidate{pair: p, id: id, documents: p.documents(id)}
}

// readAll reads the texts of all candidates the way the command line reads files.
func readAll(list []*candidate) error {
	var text strings.Builder
	for _, c := range list {
		for _, d := range c.documents {
			text.WriteString(d.YAML)
			text.WriteString("---\n")
		}
	}
	inputs, err := scenario.Load(scenario.Files{Stdin: strings.NewReader(text.String())}, []string{"-"})
	if err != nil {
		return err
	}
	byID := map[string]*candidate{}
	for _, c := range list {
		byID[c.id] = c
	}
	for _, in := range inputs {
		for _, r := range in.Resources {
			id, _, _ := strings.Cut(r.Name, "-")
			if c := byID[id]; c != nil {
				c.resources = append(c.resources, r)
			}
		}
	}
	return nil
}

// valid keeps what neither side refuses and what does not kill istiod.
func (b *batch) valid(list []*candidate) []*candidate {
	var out []*candidate
	for _, c := range list {
		refused, crash := len(b.rejected(c)) > 0, false
		for _, client := range clients() {
			crash = crash || istio.Translate(c.resources, client, b.mesh.istio, istio.DefaultProfile()).Crash != nil
		}
		switch {
		case refused:
			b.summary.refused++
		case crash:
			b.summary.crashes++
		default:
			out = append(out, c)
		}
	}
	return out
}

// rejected has the objects that Translate refuses, with the reasons.
func (b *batch) rejected(c *candidate) map[string]string {
	out := map[string]string{}
	for _, p := range istio.Translate(c.resources, clients()[0], b.mesh.istio, istio.DefaultProfile()).Rejected {
		out[p.Resource] += p.Field + ": " + p.Message + "; "
	}
	return out
}

// validate compares what is refused, object by object.
func (b *batch) validate(ctx context.Context, list []*candidate) ([]difference, error) {
	if b.istioctl == "" {
		return nil, nil
	}
	theirs, err := b.validation(ctx, list)
	if err != nil {
		return nil, err
	}
	var out []difference
	for _, c := range list {
		ours := b.rejected(c)
		for _, r := range c.resources {
			b.summary.validated++
			mine, his := ours[r.ID()], theirs[r.ID()]
			if (mine == "") != (his == "") {
				sign := "refused by istio alone: " + generalize(his)
				if his == "" {
					sign = "refused by harness/istio alone: " + generalize(mine)
				}
				if knownRefusal(sign) != "" {
					b.summary.known++
					continue
				}
				out = append(out, difference{candidate: c, signs: []string{sign}, validation: true,
					text: fmt.Sprintf("%s\nistio:         %s\nharness/istio: %s\n", r.ID(), his, mine)})
			}
		}
	}
	return out, nil
}

var (
	quoted  = regexp.MustCompile(`"[^"]*"`)
	numbers = regexp.MustCompile(`-?[0-9]+(\.[0-9]+)?`)
)

// generalize takes names and numbers out of a message, so that the same reason looks the same.
func generalize(s string) string {
	return numbers.ReplaceAllString(quoted.ReplaceAllString(s, "_"), "#")
}

// validation asks istioctl, and returns its reasons by resource.
func (b *batch) validation(ctx context.Context, list []*candidate) (map[string]string, error) {
	var text strings.Builder
	for _, d := range b.documents(list) {
		text.WriteString(d.YAML)
		text.WriteString("---\n")
	}
	file := filepath.Join(b.out, "validated.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	said, err := exec.CommandContext(ctx, b.istioctl, "validate", "-f", file).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	_, errs, _ := strings.Cut("\n"+string(said), "\nError: ")
	out := map[string]string{}
	for _, line := range strings.Split(errs, "\n") {
		what, why, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "* "), ": ")
		kind, name, slash := strings.Cut(what, "/")
		if found && slash {
			out[kind+" "+name] += why + "; "
		}
	}
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("istioctl validate: %s", said)
	}
	return out, nil
}

const markerHost = "generation%d.marker"

// documents are those of the candidates, and a marker by which a push is known.
func (b *batch) documents(list []*candidate) []schedule.Document {
	var out []schedule.Document
	for _, c := range list {
		out = append(out, c.documents...)
	}
	name := fmt.Sprintf("marker%d", b.generation)
	host := fmt.Sprintf(markerHost, b.generation)
	return append(out, schedule.Document{Kind: "ServiceEntry", Namespace: "default", Name: name, YAML: fmt.Sprintf(
		"apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: %s, namespace: default}\n"+
			"spec: {hosts: [%s], ports: [{number: 1, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 10.9.9.9}]}\n", name, host)})
}

// push replaces the configuration by these candidates.
func (b *batch) push(ctx context.Context, list []*candidate) error {
	b.generation++
	return b.istiod.SetConfig(ctx, b.documents(list))
}

// compare reads the push back as every client.
func (b *batch) compare(ctx context.Context, list []*candidate) ([]difference, error) {
	var resources []*istio.Resource
	byID := map[string]*candidate{}
	for _, c := range list {
		resources = append(resources, c.resources...)
		byID[c.id] = c
	}
	found := map[*candidate]*difference{}
	for _, client := range clients() {
		ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, errors.New("no push came"))
		defer cancel()
		s, err := istiod.Fetch(ctx, b.istiod.GRPCAddr(), nodeOf(client), func(clusters map[string]*cluster.Cluster) bool {
			return clusters["outbound|1||"+fmt.Sprintf(markerHost, b.generation)] != nil
		})
		if err != nil {
			if log, _ := os.ReadFile(b.istiod.LogPath()); strings.Contains(string(log), "panic: ") {
				_, why, _ := strings.Cut(string(log), "panic: ")
				return nil, fmt.Errorf("istiod died: %.3000s", why)
			}
			return nil, fmt.Errorf("client %s: %w", client.Name, err)
		}
		want := istio.Translate(resources, client, b.mesh.istio, istio.DefaultProfile())
		for id, sides := range split(s, &want) {
			c := byID[id]
			if c == nil {
				return nil, fmt.Errorf("client %s: istiod or the translation has something of an unknown pair %q", client.Name, id)
			}
			signs, text := sides.compare()
			b.summary.clusters += len(sides.got.Clusters)
			b.summary.hosts += len(sides.got.VirtualHosts)
			if len(signs) == 0 {
				continue
			}
			if found[c] == nil {
				found[c] = &difference{candidate: c}
			}
			found[c].signs = append(found[c].signs, signs...)
			found[c].text += fmt.Sprintf("client %s (- harness/istio, + istiod):\n%s", client.Name, text)
		}
	}
	var out []difference
	for _, c := range list {
		if d := found[c]; d != nil {
			slices.Sort(d.signs)
			d.signs = slices.Compact(d.signs)
			out = append(out, *d)
		}
	}
	return out, nil
}
