package kube

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// FieldManager is who owns the fields that faildrill applies.
const FieldManager = "faildrill"

// callTimeout bounds a single call of the API; streams and watches have none.
const callTimeout = 15 * time.Second

// Client talks to one cluster.
type Client struct {
	Kubeconfig string // its path; "": where kubectl looks
	Context    string // its name in the kubeconfig
	Core       kubernetes.Interface

	config  *rest.Config // for streams
	dynamic dynamic.Interface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
}

// silence has the libraries say nothing: what goes wrong is in the errors.
var silence = sync.OnceFunc(func() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	_ = flags.Set("stderrthreshold", "FATAL") // it is one of its words
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
})

// ErrNoContext says that the kubeconfig has no context of the name.
var ErrNoContext = errors.New("no such context")

// New reads a kubeconfig ("": where kubectl looks) and picks the context by its name. The
// current context is never taken: a drill changes a cluster only that was named.
func New(kubeconfig, name string) (*Client, error) {
	silence()
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: name})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if _, ok := raw.Contexts[name]; !ok {
		return nil, fmt.Errorf("%w %q in %s", ErrNoContext, name, rules.GetDefaultFilename())
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	c, err := forConfig(name, config)
	if err == nil {
		c.Kubeconfig = kubeconfig
	}
	return c, err
}

func forConfig(name string, config *rest.Config) (*Client, error) {
	config.UserAgent = FieldManager
	config.QPS, config.Burst = 200, 400 // a drill begins with dozens of calls at once
	config.WarningHandler = rest.NoWarnings{}
	calls := rest.CopyConfig(config)
	calls.Timeout = callTimeout
	core, err := kubernetes.NewForConfig(calls)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	dyn, err := dynamic.NewForConfig(calls)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(calls)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	return &Client{
		Context: name, Core: core, config: config, dynamic: dyn,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found)),
	}, nil
}

// Version is the API server's own, 1.36.3; it is also the way to see that it answers.
func (c *Client) Version(ctx context.Context) (string, error) {
	b, err := c.Core.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	var v version.Info
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		return "", c.sentence("asking for its version", err)
	}
	return strings.TrimPrefix(v.GitVersion, "v"), nil
}

// sentence tells of a call that failed.
func (c *Client) sentence(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster of context %s does not know the kind: %w", c.Context, err)
	}
	return fmt.Errorf("the cluster of context %s: %s: %w", c.Context, doing, err)
}
