package inside

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/doctor"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kube"
)

// within bounds the preflight; on a cluster that answers it takes a fraction of a second.
const within = 10 * time.Second

// Preflight looks whether a namespace can have drills. It changes nothing: what would be
// made is only tried (dryRun=All).
func Preflight(ctx context.Context, q usercluster.Question) (usercluster.Report, error) {
	ctx, stop := context.WithTimeout(ctx, within)
	defer stop()
	set := &q.Settings
	k, err := kube.New(set.Kubeconfig, set.Context)
	if err != nil {
		return usercluster.Report{Wrong: err.Error()}, nil
	}
	var r usercluster.Report
	if r.Kubernetes, err = k.Version(ctx); err != nil {
		r.Checks = []doctor.Check{missing("api server", err.Error(), "")}
		return r, nil
	}
	image, err := imageOf(set)
	if err != nil {
		return r, err
	}
	samples, err := incluster.SamplesOf(set.Namespace, image)
	if err != nil {
		return r, err
	}
	p := &preflight{k: k, q: q}
	var rights, vacant, pods doctor.Check
	var looking sync.WaitGroup
	looking.Go(func() { rights = p.rights(ctx) })
	looking.Go(func() { vacant = p.vacant(ctx) })
	looking.Go(func() { pods = p.pods(ctx, samples) })
	looking.Wait()
	if p.nowhere {
		return usercluster.Report{Wrong: fmt.Sprintf("the cluster of context %s has no namespace %s: %s", set.Context, set.Namespace, making(set.Namespace))}, nil
	}
	r.NetAdmin = p.netAdmin
	r.Checks = []doctor.Check{found("api server", "Kubernetes "+r.Kubernetes), rights}
	if rights.State != doctor.OK {
		return r, nil // the rest would say it once more
	}
	release := p.release()
	r.Istio = p.istio
	r.Checks = append(r.Checks, vacant, pods, release, p.admin(), p.quotas(ctx), found("image", image))
	return r, nil
}

func found(name, what string) doctor.Check {
	return doctor.Check{Name: name, State: doctor.OK, What: what}
}

func missing(name, what, fix string) doctor.Check {
	return doctor.Check{Name: name, State: doctor.Missing, What: what, Fix: fix}
}

// making is the command that makes a namespace for drills.
func making(namespace string) string {
	return fmt.Sprintf("kubectl create namespace %s && kubectl label namespace %s istio-injection=enabled", namespace, namespace)
}

// preflight is one look at a namespace.
type preflight struct {
	k *kube.Client
	q usercluster.Question

	nowhere  bool // there is no such namespace
	netAdmin bool
	image    string // of the proxy that is injected
	istio    string
	client   *kube.Object // as the namespace would have it
	bare     *kube.Object
}

// rights holds those of the Role against what who asks may do.
func (p *preflight) rights(ctx context.Context) doctor.Check {
	const name = "permissions"
	namespace := p.q.Settings.Namespace
	want, err := Rights()
	if err != nil {
		return missing(name, err.Error(), "")
	}
	lacking, err := p.k.Lacking(ctx, namespace, want)
	if err != nil {
		return missing(name, err.Error(), "")
	}
	if len(lacking) == 0 {
		return found(name, fmt.Sprintf("all %d rights of the Role", len(want)))
	}
	return missing(name, fmt.Sprintf("no right in namespace %s to %s", namespace, words(lacking)),
		fmt.Sprintf("faildrill doctor --role --namespace %s prints the Role that is enough", namespace))
}

// mostNamed bounds how many rights a sentence names.
const mostNamed = 4

func words(rights []kube.Right) string {
	var out []string
	for i, r := range rights {
		if i == mostNamed {
			return fmt.Sprintf("%s and %d more", strings.Join(out, ", "), len(rights)-i)
		}
		out = append(out, r.String())
	}
	return strings.Join(out, ", ")
}

// vacant looks for what is in the namespace.
func (p *preflight) vacant(ctx context.Context) doctor.Check {
	const name = "namespace"
	namespace := p.q.Settings.Namespace
	err := incluster.Vacant(ctx, p.k, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return missing(name, fmt.Sprintf("the cluster of context %s has no objects of Istio: %v", p.q.Settings.Context, err), "")
	case err != nil:
		return missing(name, err.Error(), "")
	}
	return found(name, namespace+" has nothing else")
}

// pods tries to make pods as a drill does: admission and injection show in the answer.
func (p *preflight) pods(ctx context.Context, s incluster.Samples) doctor.Check {
	const name = "pods"
	var trying sync.WaitGroup
	var client, bare error
	trying.Go(func() { p.client, client = p.k.DryRun(ctx, s.Client) })
	trying.Go(func() { p.bare, bare = p.k.DryRun(ctx, s.Bare) })
	trying.Go(func() {
		_, err := p.k.DryRun(ctx, s.NetAdmin)
		p.netAdmin = err == nil
	})
	trying.Wait()
	p.nowhere = apierrors.IsNotFound(client)
	if err := errors.Join(client, bare); err != nil {
		if client != nil { // one sentence; the other is much the same
			err = client
		}
		return missing(name, fmt.Sprintf("namespace %s does not take a drill's pods: %v", p.q.Settings.Namespace, err), "")
	}
	if p.image = proxyImage(p.client); p.image == "" {
		return missing(name, fmt.Sprintf("namespace %s has no sidecars injected", p.q.Settings.Namespace),
			fmt.Sprintf("kubectl label namespace %s istio-injection=enabled, or istio.io/rev=REVISION", p.q.Settings.Namespace))
	}
	return found(name, "taken, with a sidecar injected")
}

// release is what the injected proxy's image tells of Istio's release.
func (p *preflight) release() doctor.Check {
	const name = "istio"
	if p.image == "" {
		return doctor.Check{Name: name, State: doctor.Note, What: "not known without a sidecar"}
	}
	if p.istio = releaseOf(p.image); p.istio == "" {
		return doctor.Check{Name: name, State: doctor.Note, What: p.image + " does not tell the release: --profile does, else the drill's own is taken"}
	}
	return found(name, p.istio+", as "+p.image+" says")
}

// admin says what a namespace without NET_ADMIN lacks.
func (p *preflight) admin() doctor.Check {
	const name = "NET_ADMIN"
	if p.netAdmin {
		return found(name, "pods may have it")
	}
	return doctor.Check{Name: name, State: doctor.Note, What: "forbidden: no drills with endpoints by address or black holes"}
}
