package kindup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cmd"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/kube"
)

// NameVariable names the cluster, as kind has it, where people want another one beside.
const NameVariable = "FAILDRILL_KIND_CLUSTER"

// defaultName is the cluster's without it. A cluster's context is kind-NAME.
const defaultName = "faildrill"

// UsageError is what people got wrong in what they chose.
type UsageError struct{ error }

func usage(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Options are what people choose of a cluster. What they leave open stays as it is in the
// cluster that is there.
type Options struct {
	// Regions are those of the nodes, region or region/zone, the control plane's first.
	// A drill's client runs on a node of its region if there is one.
	Regions []string `json:"regions,omitempty"`
	// Mirror is where the usual images come from.
	Mirror images.Mirror `json:"mirror,omitzero"`
}

// DefaultRegion is where a cluster of one node stands: where the recipes' client does.
const DefaultRegion = "us-east1/us-east1-b"

// or are the options with what they leave open from others.
func (o Options) or(other Options) Options {
	o.Mirror = o.Mirror.Or(other.Mirror)
	if len(o.Regions) == 0 {
		o.Regions = other.Regions
	}
	return o
}

var (
	// A label's value; the API server would say so after the nodes have started.
	placeName   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	clusterName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?$`)
)

// mostNodes bounds what a machine is asked for: a node takes a quarter of a GB.
const mostNodes = 8

func (o Options) check() error {
	if len(o.Regions) > mostNodes {
		return usage("%d regions, each a node; expected at most %d", len(o.Regions), mostNodes)
	}
	for _, r := range o.Regions {
		region, zone, two := strings.Cut(r, "/")
		if !placeName.MatchString(region) || two && !placeName.MatchString(zone) {
			return usage("region %q; expected region or region/zone: us-east1/us-east1-b", r)
		}
	}
	for what, image := range map[string]string{"hub": o.Mirror.Hub, "node image": o.Mirror.Node, "base of the client's image": o.Mirror.Base} {
		if strings.ContainsAny(image, " \t\n") || strings.HasPrefix(image, "-") || strings.Contains(image, "://") || strings.HasSuffix(image, "/") {
			return usage("%s %q; expected a name as Docker has it: mirror.example/istio", what, image)
		}
	}
	return nil
}

// site is the place of a cluster: its name, and where things of it lie.
type site struct {
	name       string
	kubeconfig string
	cache      binaries.Cache
	p          *cluster.Provider
}

func (x *site) context() string { return "kind-" + x.name }

// open looks for Docker and the cache.
func open(ctx context.Context) (*site, error) {
	x := &site{name: os.Getenv(NameVariable)}
	if x.name == "" {
		x.name = defaultName
	}
	if !clusterName.MatchString(x.name) {
		return nil, usage("$%s is %q; expected lower-case letters, digits, - and .", NameVariable, x.name)
	}
	if err := reach(ctx); err != nil {
		return nil, err
	}
	var err error
	if x.cache, err = binaries.Default(); err != nil {
		return nil, err
	}
	x.kubeconfig = filepath.Join(x.cache.Dir, "kind", "kubeconfig")
	if x.name != defaultName {
		x.kubeconfig = filepath.Join(x.cache.Dir, "kind", x.name+".kubeconfig")
	}
	x.p = cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(cmd.NewLogger()))
	return x, nil
}

// room is what a kubeconfig takes at most, in bytes.
const room = 16 << 10

// lock keeps others from making or deleting the cluster meanwhile.
func (x *site) lock(ctx context.Context, say Say) (unlock func(), err error) {
	name := filepath.Join(x.cache.Dir, "kind", x.name+".lock")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	// Better known now than when the nodes are up.
	if err := replaceFile(name+".room", strings.Repeat(" ", room)); err != nil {
		return nil, err
	}
	if err := os.Remove(name + ".room"); err != nil {
		return nil, err
	}
	l := flock.New(name)
	got, err := l.TryLock()
	if err == nil && !got {
		say("another faildrill is at the cluster %s: waiting for it", x.name)
		_, err = l.TryLockContext(ctx, 200*time.Millisecond)
	}
	if err != nil {
		return nil, err
	}
	return func() { _ = l.Close() }, nil // the lock goes with that
}

// exists says whether kind knows the cluster, whole or in pieces.
func (x *site) exists() (bool, error) {
	names, err := x.p.List()
	if err != nil {
		return false, fmt.Errorf("asking kind for its clusters: %w", kindSays(err))
	}
	return slices.Contains(names, x.name), nil
}

// delete removes the nodes, whatever state they are in.
func (x *site) delete() error {
	scratch, done, err := x.scratch()
	if err != nil {
		return err
	}
	defer done()
	if err := x.p.Delete(x.name, scratch); err != nil {
		return kindSays(err)
	}
	if err := os.Remove(x.kubeconfig); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// connect writes the kubeconfig, if it is not what it should be, and is a client.
func (x *site) connect() (*kube.Client, error) {
	text, err := x.p.KubeConfig(x.name, false)
	if err != nil {
		return nil, kindSays(err)
	}
	if old, err := os.ReadFile(x.kubeconfig); err != nil || string(old) != text {
		if err := replaceFile(x.kubeconfig, text); err != nil {
			return nil, err
		}
	}
	return kube.New(x.kubeconfig, x.context())
}

// scratch is a kubeconfig for kind to write into: it edits one under a lock that it leaves behind
// when it is killed.
func (x *site) scratch() (name string, done func(), err error) {
	dir := filepath.Join(filepath.Dir(x.kubeconfig), x.name+".scratch")
	done = func() { _ = os.RemoveAll(dir) } // it has nothing that anybody needs
	done()
	return filepath.Join(dir, "kubeconfig"), done, os.MkdirAll(dir, 0o700)
}

// replaceFile writes a file that others may be reading.
func replaceFile(name, text string) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what went wrong is told
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// mark is what a cluster says of itself, in a ConfigMap. It is written last.
type mark struct {
	fingerprint string
	chosen      Options
	agents      []string // the images of faildrill-agent that its nodes have; empty: not known
}

// The mark's place in the cluster.
const (
	markName  = "faildrill"
	markKey   = "fingerprint"
	chosenKey = "chosen"
	agentsKey = "agents"
)

// mostAgents are remembered, those of the latest builds.
const mostAgents = 50

// with is the mark after another image was loaded.
func (m mark) with(agent string) mark {
	m.agents = append(slices.DeleteFunc(slices.Clone(m.agents), func(a string) bool { return a == agent }), agent)
	m.agents = m.agents[max(0, len(m.agents)-mostAgents):]
	return m
}

// lacks says that the nodes do not have the image.
func (m mark) lacks(agent string) bool { return len(m.agents) > 0 && !slices.Contains(m.agents, agent) }

func (m mark) write(ctx context.Context, k *kube.Client) error {
	chosen, err := json.Marshal(m.chosen)
	if err != nil {
		return err
	}
	o, err := kube.ObjectOf(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: markName, Namespace: metav1.NamespaceSystem},
		Data:       map[string]string{markKey: m.fingerprint, chosenKey: string(chosen), agentsKey: strings.Join(m.agents, " ")},
	})
	if err != nil {
		return err
	}
	return k.Apply(ctx, o)
}

// markOf reads a mark; one without choices is of a cluster for which nothing was chosen.
func markOf(data map[string]string) (mark, error) {
	m := mark{fingerprint: data[markKey], agents: strings.Fields(data[agentsKey])}
	if text := data[chosenKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &m.chosen); err != nil {
			return m, err
		}
	}
	return m, m.chosen.check()
}

// Why a cluster cannot be used that may be busy.
const (
	unreachable = "it cannot be reached: "
	silent      = "it does not answer"
	notReady    = "istiod is not ready"
)

// look asks the cluster for its mark. why says why the cluster cannot be used, "": it can.
func (x *site) look(ctx context.Context) (k *kube.Client, m mark, why string) {
	k, err := x.connect()
	if err != nil {
		return nil, m, unreachable + err.Error()
	}
	m, why = ask(ctx, k)
	return k, m, why
}

// ask asks a cluster what it is; why says why it is not what Up makes.
func ask(ctx context.Context, k *kube.Client) (m mark, why string) {
	ctx, stop := context.WithTimeout(ctx, answersWithin)
	defer stop()
	c, err := k.Core.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, markName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return m, "it was not finished"
	case err != nil:
		return m, silent
	}
	if m, err = markOf(c.Data); err != nil {
		return m, "another version of faildrill made it"
	}
	if _, err := k.Ready(ctx, "istio-system", "app=istiod"); err != nil {
		return m, notReady
	}
	return m, ""
}

// lookTwice looks again where a busy machine may be the reason: what is replaced takes the
// drills with it that play there.
func (x *site) lookTwice(ctx context.Context, say Say) (*kube.Client, mark, string) {
	k, m, why := x.look(ctx)
	if why == silent || why == notReady || strings.HasPrefix(why, unreachable) {
		say("%s: waiting %v", why, answersWithin)
		select {
		case <-ctx.Done():
		case <-time.After(answersWithin):
			k, m, why = x.look(ctx)
		}
	}
	return k, m, why
}

// kindSays is an error of kind in one line: what the program that it ran said last.
func kindSays(err error) error {
	if ran := exec.RunErrorForError(err); ran != nil {
		if said := lastLine(string(ran.Output), ran.Inner); said != "" {
			return errors.New(said)
		}
	}
	return err
}
