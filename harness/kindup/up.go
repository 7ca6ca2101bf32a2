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
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/cmd"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/kube"
)

// Name is the cluster's, as kind has it; its context is kind-NAME.
const Name = "faildrill"

// Context is the cluster's context in its kubeconfig.
const Context = "kind-" + Name

// Say tells people what happens.
type Say func(format string, args ...any)

// Options are what people choose of a cluster.
type Options struct {
	// Regions are those of the nodes, region or region/zone, the control plane's first.
	// A drill's client runs on a node of its region if there is one.
	Regions []string
}

// DefaultRegion is where a cluster of one node stands: where the recipes' client does.
const DefaultRegion = "us-east1/us-east1-b"

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
	c, s, istioctl, err := plan(ctx, o, say, true)
	if err != nil {
		return nil, err
	}
	p := provider()
	if err := os.MkdirAll(filepath.Dir(c.Kubeconfig), 0o755); err != nil {
		return nil, err
	}
	made, err := c.ensure(ctx, p, s, istioctl, say)
	if err != nil {
		if made {
			_ = p.Delete(Name, c.Kubeconfig) // what broke is told; a cluster in pieces helps nobody
		}
		return nil, err
	}
	if err := c.load(p, say); err != nil {
		return nil, err
	}
	if made {
		say("the cluster is up; it took %.0f s", time.Since(start).Seconds())
	} else {
		say("the cluster is up already")
	}
	return c, nil
}

// plan is the cluster that is wanted. It makes the images that Docker lacks if it may.
func plan(ctx context.Context, o Options, say Say, make bool) (c *Cluster, s settings, istioctl string, err error) {
	if len(o.Regions) == 0 {
		o.Regions = []string{DefaultRegion}
	}
	if err := reach(ctx); err != nil {
		return nil, s, "", err
	}
	cache, err := binaries.Default()
	if err != nil {
		return nil, s, "", err
	}
	ctl, err := binaries.Istioctl()
	if err != nil {
		return nil, s, "", err
	}
	im, err := images.Find(cache, ctl.Version)
	if err != nil {
		return nil, s, "", err
	}
	if make {
		if err := ensure(ctx, im, say); err != nil {
			return nil, s, "", err
		}
	}
	c = &Cluster{Regions: o.Regions, Kubeconfig: filepath.Join(cache.Dir, "kind", "kubeconfig"), Context: Context, Istioctl: ctl.Path, Istio: ctl.Version}
	if c.Mock, err = mockImage.build(ctx, "", say, make); err != nil {
		return nil, s, "", err
	}
	if c.Agent, err = agentImage.build(ctx, im.Base, say, make); err != nil {
		return nil, s, "", err
	}
	s = settings{Images: im, Regions: o.Regions, Istio: ctl.Version, Install: install(im)}
	if im.Node != "" {
		s.Node, err = imageID(ctx, im.Node)
	}
	return c, s, ctl.Path, err
}

// ErrDown says that the cluster is not there, or is not what Up would make.
var ErrDown = errors.New("the kind cluster is not up: faildrill kind up")

// Find is the cluster that is up. It changes nothing.
func Find(ctx context.Context, o Options) (*Cluster, error) {
	c, s, _, err := plan(ctx, o, func(string, ...any) {}, false)
	if err != nil {
		return nil, err
	}
	p := provider()
	names, err := p.List()
	if err != nil {
		return nil, fmt.Errorf("asking kind for its clusters: %w", err)
	}
	if !slices.Contains(names, Name) {
		return nil, ErrDown
	}
	if why := c.stale(ctx, p, s); why != "" {
		return nil, fmt.Errorf("%w (%s)", ErrDown, why)
	}
	k, err := kube.New(c.Kubeconfig, Context)
	if err != nil {
		return nil, err
	}
	c.Kubernetes, err = k.Version(ctx)
	return c, err
}

func provider() *cluster.Provider {
	return cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(cmd.NewLogger()))
}

// ensure makes the cluster unless it is there; made says that it began to.
func (c *Cluster) ensure(ctx context.Context, p *cluster.Provider, s settings, istioctl string, say Say) (made bool, err error) {
	names, err := p.List()
	if err != nil {
		return false, fmt.Errorf("asking kind for its clusters: %w", err)
	}
	if slices.Contains(names, Name) {
		why := c.stale(ctx, p, s)
		if why == "" {
			return false, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		say("the cluster that is there is replaced: %s", why)
		if err := p.Delete(Name, c.Kubeconfig); err != nil {
			return false, fmt.Errorf("deleting the old cluster: %w", err)
		}
	}
	say("kind makes the cluster %s", Name)
	create := []cluster.CreateOption{
		cluster.CreateWithV1Alpha4Config(config(s)), cluster.CreateWithKubeconfigPath(c.Kubeconfig), cluster.CreateWithWaitForReady(readyWithin),
		cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
	}
	if s.Images.Node != "" {
		create = append(create, cluster.CreateWithNodeImage(s.Images.Node))
	}
	// kind cannot be interrupted: it is waited for, and then taken down.
	if err := p.Create(Name, create...); err != nil {
		return true, fmt.Errorf("kind: %w", err)
	}
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	say("istioctl installs Istio %s", s.Istio)
	if err := c.istio(ctx, istioctl, s); err != nil {
		return true, err
	}
	k, err := kube.New(c.Kubeconfig, Context)
	if err != nil {
		return true, err
	}
	return true, mark(ctx, k, s.fingerprint())
}

// stale says why the cluster that is there is not the one that is wanted; "": it is.
func (c *Cluster) stale(ctx context.Context, p *cluster.Provider, s settings) string {
	if err := p.ExportKubeConfig(Name, c.Kubeconfig, false); err != nil {
		return "kind cannot say how to reach it"
	}
	k, err := kube.New(c.Kubeconfig, Context)
	if err != nil {
		return err.Error()
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	m, err := k.Core.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, markName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "it was not finished"
	case err != nil:
		return "it does not answer"
	case m.Data[markKey] != s.fingerprint():
		return "its images, versions or configuration are others"
	}
	if _, err := k.Ready(ctx, "istio-system", "app=istiod"); err != nil {
		return "istiod is not ready"
	}
	return ""
}

// The fingerprint's place in the cluster.
const (
	markName = "faildrill"
	markKey  = "fingerprint"
)

func mark(ctx context.Context, k *kube.Client, fingerprint string) error {
	o, err := kube.ObjectOf(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: markName, Namespace: metav1.NamespaceSystem},
		Data:       map[string]string{markKey: fingerprint},
	})
	if err != nil {
		return err
	}
	return k.Apply(ctx, o)
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
	// A node of this machine's own making runs on machines with cgroups of the
	// first version, too, and where it may not raise limits.
	if s.Images.Vanilla {
		c.KubeadmConfigPatches = []string{
			"kind: KubeletConfiguration\nfailCgroupV1: false\nfeatureGates: {KubeletInUserNamespace: true}\n",
			alone,
		}
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
func (c *Cluster) istio(ctx context.Context, istioctl string, s settings) error {
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	cmd := osexec.CommandContext(ctx, istioctl, append(slices.Clone(s.Install), "--kubeconfig", c.Kubeconfig, "--context", Context)...)
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

// load puts the agent's image into the nodes that lack it.
func (c *Cluster) load(p *cluster.Provider, say Say) error {
	nodes, err := p.ListInternalNodes(Name)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		have, err := exec.OutputLines(n.Command("ctr", "--namespace=k8s.io", "images", "list", "--quiet", "name==docker.io/"+c.Agent))
		if err == nil && len(have) > 0 {
			continue
		}
		say("loading %s into %s", c.Agent, n)
		if err := loadInto(c.Agent, func(archive io.Reader) error { return nodeutils.LoadImageArchive(n, archive) }); err != nil {
			return fmt.Errorf("loading %s into %s: %w", c.Agent, n, err)
		}
	}
	return nil
}

// loadInto streams an image out of Docker.
func loadInto(image string, load func(io.Reader) error) error {
	save := osexec.Command("docker", "save", image)
	out, err := save.StdoutPipe()
	if err != nil {
		return err
	}
	if err := save.Start(); err != nil {
		return err
	}
	return errors.Join(load(out), save.Wait())
}

// Down takes the cluster down. One that is not there is down.
func Down(ctx context.Context, say Say) error {
	if err := reach(ctx); err != nil {
		return err
	}
	cache, err := binaries.Default()
	if err != nil {
		return err
	}
	p := provider()
	names, err := p.List()
	if err != nil {
		return fmt.Errorf("asking kind for its clusters: %w", err)
	}
	if !slices.Contains(names, Name) {
		say("there is no cluster %s", Name)
		return nil
	}
	if err := p.Delete(Name, filepath.Join(cache.Dir, "kind", "kubeconfig")); err != nil {
		return fmt.Errorf("deleting the cluster: %w", err)
	}
	say("the cluster %s is gone", Name)
	return nil
}
