package kindup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	osexec "os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/kube"
)

// Say tells people what happens.
type Say func(format string, args ...any)

// Cluster is one that is up.
type Cluster struct {
	Regions    []string `json:"regions"`
	Kubeconfig string   `json:"kubeconfig"`
	Context    string   `json:"context"`
	Agent      string   `json:"agent"` // images
	Mock       string   `json:"mock"`
	Istioctl   string   `json:"istioctl"` // the program
	Istio      string   `json:"istio"`    // versions
	Kubernetes string   `json:"kubernetes"`
}

// settings are what a cluster is made from; two of the same are the same cluster.
type settings struct {
	Images  images.Images `json:"images"`
	Node    string        `json:"node"` // Docker's name of its contents; "": it was not there yet
	Regions []string      `json:"regions"`
	Istio   string        `json:"istio"`
	Install []string      `json:"install"`

	pulled string // the node image as it is pulled, with its checksum
}

func (s settings) fingerprint() string {
	b, err := json.Marshal(struct {
		settings
		Config *v1alpha4.Cluster `json:"config"`
	}{s, config(s)})
	if err != nil {
		panic(err) // it is made of texts
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

// readyWithin bounds how long nodes and istiod may take.
const readyWithin = 4 * time.Minute

// Up makes the cluster, or finds it as it should be. When the context is done, what was begun is
// taken down.
func Up(ctx context.Context, o Options, say Say) (*Cluster, error) {
	start := time.Now()
	if err := o.check(); err != nil {
		return nil, err
	}
	x, err := open(ctx)
	if err != nil {
		return nil, err
	}
	unlock, err := x.lock(ctx, say)
	if err != nil {
		return nil, err
	}
	defer unlock()
	there, err := x.exists()
	if err != nil {
		return nil, err
	}
	var k *kube.Client
	var m mark
	var why string
	if there {
		k, m, why = x.lookTwice(ctx, say)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	asked := o.Mirror
	o = o.or(m.chosen)
	c, s, err := x.plan(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.Images.Vanilla && asked != (images.Mirror{}) {
		say("the images are those that hack/airgap built, not those of a mirror")
	}
	if !there {
		if err := x.free(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.prepare(ctx, &s, say); err != nil {
		return nil, err
	}
	if there && why == "" && m.fingerprint != s.fingerprint() {
		why = "its images, versions or configuration are others"
	}
	if there && why == "" {
		if err := x.load(ctx, say, c.Agent); err != nil {
			return nil, err
		}
		if m.lacks(c.Agent) {
			if err := m.with(c.Agent).write(ctx, k); err != nil {
				return nil, err
			}
		}
		prune(ctx, time.Now(), say, c.Agent, c.Mock)
		say("the cluster %s is up already, with nodes in %s", x.name, strings.Join(c.Regions, ", "))
		return c, nil
	}
	if there {
		say("the cluster that is there is replaced: %s", why)
		if err := x.delete(); err != nil {
			return nil, fmt.Errorf("deleting the old cluster: %w", err)
		}
	}
	if err := x.make(ctx, c, s, o, say); err != nil {
		_ = x.delete() // what broke is told; a cluster in pieces helps nobody
		return nil, err
	}
	say("the cluster %s is up; it took %.0f s", x.name, time.Since(start).Seconds())
	return c, nil
}

// plan is the cluster that is wanted, as far as it is known before its images are there.
func (x *site) plan(ctx context.Context, o Options) (*Cluster, settings, error) {
	if len(o.Regions) == 0 {
		o.Regions = []string{DefaultRegion}
	}
	ctl, err := binaries.Istioctl()
	if err != nil {
		return nil, settings{}, err
	}
	im, err := images.Find(x.cache, ctl.Version, o.Mirror)
	if err != nil {
		return nil, settings{}, err
	}
	if im.Node == "" {
		im.Node = defaults.Image
	}
	s := settings{Images: im, Regions: o.Regions, Istio: ctl.Version, Install: install(im)}
	s.Images.Node = withoutDigest(im.Node)
	s.pulled = im.Node
	c := &Cluster{Regions: o.Regions, Kubeconfig: x.kubeconfig, Context: x.context(), Istioctl: ctl.Path, Istio: ctl.Version}
	return c, s, nil
}

// find fills in what Docker has for the cluster, and says which of faildrill's own images it lacks.
func (c *Cluster) find(ctx context.Context, s *settings) error {
	silent := func(string, ...any) {}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) { c.Mock, err = mockImage.build(ctx, "", silent, false); return err })
	all.Go(func() (err error) { c.Agent, err = agentImage.build(ctx, s.Images.Base, silent, false); return err })
	all.Go(func() (err error) { s.Node, err = imageID(ctx, s.Images.Node); return err })
	return all.Wait()
}

// ErrDown says that the cluster is not there, or is not what Up would make.
var ErrDown = errors.New("the kind cluster is not up: faildrill kind up")

// Find is the cluster that is up, whatever was chosen for it. It changes nothing there.
func Find(ctx context.Context) (*Cluster, error) {
	x, err := open(ctx)
	if err != nil {
		return nil, err
	}
	k, m, err := x.there(ctx)
	if err != nil {
		return nil, err
	}
	c, s, err := x.plan(ctx, m.chosen)
	if err != nil {
		return nil, err
	}
	if err := c.find(ctx, &s); err != nil {
		return nil, err
	}
	if m.fingerprint != s.fingerprint() {
		return nil, fmt.Errorf("%w (its images, versions or configuration are others)", ErrDown)
	}
	if m.lacks(c.Agent) {
		return nil, fmt.Errorf("%w (its nodes lack %s)", ErrDown, c.Agent)
	}
	c.Kubernetes, err = k.Version(ctx)
	return c, err
}

// there asks the cluster by the kubeconfig that Up wrote, and asks kind only where that leads nowhere.
func (x *site) there(ctx context.Context) (*kube.Client, mark, error) {
	if k, err := kube.New(x.kubeconfig, x.context()); err == nil {
		if m, why := ask(ctx, k); why == "" {
			return k, m, nil
		}
	}
	there, err := x.exists()
	if err != nil {
		return nil, mark{}, err
	}
	if !there {
		return nil, mark{}, ErrDown
	}
	k, m, why := x.look(ctx)
	if ctx.Err() != nil {
		return nil, m, ctx.Err()
	}
	if why != "" {
		return nil, m, fmt.Errorf("%w (%s)", ErrDown, why)
	}
	return k, m, nil
}

// free says whose the name of the first node is, if it is not kind's.
func (x *site) free(ctx context.Context) error {
	node := x.name + "-control-plane"
	id, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "name=^/?"+regexp.QuoteMeta(node)+"$")
	if err != nil {
		return err
	}
	if id != "" {
		return fmt.Errorf("a container has the name %s and is no node of kind: remove it (docker rm -f %s), or choose another name for the cluster in $%s", node, node, NameVariable)
	}
	return nil
}

// make makes the cluster, of which nothing is there.
func (x *site) make(ctx context.Context, c *Cluster, s settings, o Options, say Say) error {
	start := time.Now()
	took := func() string {
		d := time.Since(start)
		start = time.Now()
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	say("kind makes the cluster %s, with nodes in %s: about %d s", x.name, strings.Join(c.Regions, ", "), 10+10*len(c.Regions))
	if err := x.create(ctx, s); err != nil {
		return err
	}
	say("kind took %s; istioctl installs Istio %s: about 10 s", took(), s.Istio)
	k, err := x.connect()
	if err != nil {
		return err
	}
	if !s.Images.Baked {
		if err := x.load(ctx, say, s.Images.Pilot(), s.Images.Proxy()); err != nil {
			return err
		}
	}
	// Istio waits for istiod, which waits for its node: the agent's image can be loaded meanwhile,
	// and Docker cleaned.
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var both sync.WaitGroup
	for _, f := range []func() error{
		func() error { return x.istio(ctx, c, s) },
		func() error {
			err := x.load(ctx, quiet, c.Agent)
			if err == nil {
				prune(ctx, time.Now(), say, c.Agent, c.Mock)
			}
			return err
		},
	} {
		both.Go(func() {
			if err := f(); err != nil {
				stop(err) // the first one counts
			}
		})
	}
	both.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	say("istioctl took %s", took())
	if err := nodesReady(ctx, k, len(s.Regions)); err != nil {
		return err
	}
	return mark{fingerprint: s.fingerprint(), chosen: o}.with(c.Agent).write(ctx, k)
}

// create has kind make the nodes. kind cannot be interrupted, but loses its nodes when the context is done.
func (x *site) create(ctx context.Context, s settings) error {
	scratch, done, err := x.scratch()
	if err != nil {
		return err
	}
	defer done()
	created := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-ctx.Done():
		case <-created:
			return
		}
		for again := time.NewTicker(time.Second); ; {
			_ = x.delete() // there may be nothing yet; who asked for the cluster has the last word
			select {
			case <-created:
				again.Stop()
				return
			case <-again.C:
			}
		}
	})
	// Neither this waits for the nodes: istiod is ready on a node that is, and the rest is waited for afterwards.
	err = x.p.Create(x.name,
		cluster.CreateWithV1Alpha4Config(config(s)), cluster.CreateWithKubeconfigPath(scratch), cluster.CreateWithNodeImage(s.Images.Node),
		cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
	)
	close(created)
	watching.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("kind: %w", kindSays(err))
	}
	return nil
}

// nodesReady waits until all of the nodes are.
func nodesReady(ctx context.Context, k *kube.Client, want int) error {
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	for {
		nodes, err := k.Core.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		ready := 0
		if err == nil {
			for _, n := range nodes.Items {
				for _, c := range n.Status.Conditions {
					if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
						ready++
					}
				}
			}
		}
		if ready >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%d of %d nodes are not ready after %v", want-ready, want, readyWithin)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// config is kind's configuration. The labels are there before any pod is.
func config(s settings) *v1alpha4.Cluster {
	c := &v1alpha4.Cluster{TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"}}
	for i, where := range s.Regions {
		region, zone, _ := strings.Cut(where, "/")
		n := v1alpha4.Node{Role: v1alpha4.WorkerRole, Labels: map[string]string{corev1.LabelTopologyRegion: region}}
		if zone != "" {
			n.Labels[corev1.LabelTopologyZone] = zone
		}
		if i == 0 {
			n.Role = v1alpha4.ControlPlaneRole
		}
		c.Nodes = append(c.Nodes, n)
	}
	// The first region has clients, too. kind itself leaves a control plane to pods only where it is the only node.
	if len(c.Nodes) > 1 {
		c.KubeadmConfigPatches = append(c.KubeadmConfigPatches, "kind: InitConfiguration\nnodeRegistration: {taints: []}\n")
	}
	// A node of this machine's own making runs on machines with cgroups of the
	// first version, too, and where it may not raise limits.
	if s.Images.Vanilla {
		c.KubeadmConfigPatches = append(c.KubeadmConfigPatches,
			"kind: KubeletConfiguration\nfailCgroupV1: false\nfeatureGates: {KubeletInUserNamespace: true}\n",
			alone,
		)
	}
	return c
}

// alone tells the control plane that it is the only one: on a slow machine a leader that
// is late with its lease would restart for nothing; and what its etcd has may be lost
// with the machine.
const alone = `kind: ClusterConfiguration
apiVersion: kubeadm.k8s.io/v1beta4
controllerManager: {extraArgs: [{name: enable-hostpath-provisioner, value: "true"}, {name: leader-elect, value: "false"}]}
scheduler: {extraArgs: [{name: leader-elect, value: "false"}]}
etcd: {local: {extraArgs: [{name: unsafe-no-fsync, value: "true"}]}}
`

// install are istioctl's arguments. The proxies of drills bring their own settings.
func install(im images.Images) []string {
	args := []string{
		"install", "-y", "--set", "profile=minimal", "--set", "hub=" + im.Hub, "--set", "tag=" + im.Tag,
		// The defaults are for a cluster with work to do; here two istiods would not fit beside each other.
		"--set", "values.pilot.resources.requests.cpu=50m", "--set", "values.pilot.resources.requests.memory=256Mi",
		"--set", "values.global.proxy.resources.requests.cpu=10m", "--set", "values.global.proxy.resources.requests.memory=40Mi",
	}
	if im.Vanilla {
		// An unmodified Envoy has none of Istio's own filters.
		for _, v := range []string{"PILOT_ENABLE_METADATA_EXCHANGE", "PILOT_ENABLE_ALPN_FILTER", "PILOT_ENABLE_TELEMETRY_LABEL", "PILOT_ENDPOINT_TELEMETRY_LABEL"} {
			args = append(args, "--set", "values.pilot.env."+v+"=false")
		}
		args = append(args, "--set", "values.telemetry.enabled=false")
	}
	return args
}

// istio installs Istio and waits until istiod is ready.
func (x *site) istio(ctx context.Context, c *Cluster, s settings) error {
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	cmd := osexec.CommandContext(ctx, c.Istioctl, append(slices.Clone(s.Install), "--kubeconfig", c.Kubeconfig, "--context", c.Context)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Run(); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		return fmt.Errorf("istioctl install: %s", lastLine(said.String(), err))
	}
	return nil
}

// Down takes the cluster down. One that is not there is down.
func Down(ctx context.Context, withImages bool, say Say) error {
	x, err := open(ctx)
	if err != nil {
		return err
	}
	unlock, err := x.lock(ctx, say)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := x.exists()
	if err != nil {
		return err
	}
	if there {
		if err := x.delete(); err != nil {
			return fmt.Errorf("deleting the cluster: %w", err)
		}
		say("the cluster %s is gone", x.name)
	} else {
		say("there is no cluster %s", x.name)
	}
	if withImages {
		return removeAll(ctx, say)
	}
	return nil
}
