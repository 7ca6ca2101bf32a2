package upstreampods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

const (
	// label is on every pod beside the run's; its value says which one it is.
	label     = "faildrill.dev/upstream"
	container = "upstream"
	program   = "/mockupstream"
	helper    = "/faildrill-agent"
	control   = "127.0.0.1:9901"
	// certificatesAt is where a pod finds what it shows.
	certificatesAt = "/faildrill-tls"
	// answerWithin bounds one question to a control API.
	answerWithin = 10 * time.Second
)

// Options say where the pods are made.
type Options struct {
	Namespace string
	Run       string
	Image     string // has both programs
}

// Upstreams are the pods of one drill.
type Upstreams struct {
	s            *schedule.Schedule
	certificates *certificates.Set
	k            *kube.Client
	o            Options

	mu   sync.Mutex
	pods []*pod
}

var _ incluster.Upstreams = (*Upstreams)(nil)

type pod struct {
	upstream int
	ip       netip.Addr // of the schedule
	name     string
	address  netip.Addr // of the pod
	agent    *agent.Conn
	control  mockupstreams.Client
}

// New is the upstreams of a schedule; nothing is started.
func New(s *schedule.Schedule, c *certificates.Set, k *kube.Client, o Options) *Upstreams {
	return &Upstreams{s: s, certificates: c, k: k, o: o}
}

// Start starts a pod for each address, side by side.
func (u *Upstreams) Start(ctx context.Context) error {
	var starting sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for i := range u.s.Upstreams {
		if len(u.s.Upstreams[i].Ports) == 0 {
			continue // nobody listens there
		}
		for j, ip := range u.s.Upstreams[i].IPs {
			starting.Go(func() {
				if err := u.start(ctx, i, j, ip); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, fmt.Errorf("upstream %s: %w", u.s.Upstreams[i].Name, err))
				}
			})
		}
	}
	starting.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

func (u *Upstreams) start(ctx context.Context, i, j int, ip netip.Addr) error {
	objects, err := u.objects(i, j)
	if err != nil {
		return err
	}
	if err := u.k.Create(ctx, objects...); err != nil {
		return err
	}
	ready, err := u.k.Running(ctx, u.o.Namespace, fmt.Sprintf("%s=%s,%s=%s", incluster.RunLabel, u.o.Run, label, number(i, j)), container)
	if err != nil {
		return err
	}
	p := &pod{upstream: i, ip: ip, name: ready.Name}
	if p.address, err = netip.ParseAddr(ready.Status.PodIP); err != nil {
		return fmt.Errorf("the address of its pod is %q: %w", ready.Status.PodIP, err)
	}
	stream, err := u.k.Exec(u.o.Namespace, p.name, container, helper, "serve")
	if err != nil {
		return err
	}
	p.agent = agent.Connect(stream)
	p.control = mockupstreams.Client{URL: "http://" + control, HTTP: &http.Client{Transport: p.agent, Timeout: answerWithin}}
	u.mu.Lock()
	u.pods = append(u.pods, p)
	u.mu.Unlock()
	if err := p.control.Await(ctx); err != nil {
		return err
	}
	if latency := u.s.Upstreams[i].Latency; latency > 0 {
		return p.control.Apply(ctx, mockupstreams.Fault{Name: "latency", Delay: mockupstreams.Duration(latency)})
	}
	return nil
}

// number is a pod's own, of those of the drill.
func number(i, j int) string { return fmt.Sprintf("%d-%d", i, j) }

// objects are address j of upstream i: the pod, after the certificates that it shows, if any.
func (u *Upstreams) objects(i, j int) ([]*kube.Object, error) {
	up := &u.s.Upstreams[i]
	meta := metav1.ObjectMeta{
		Name: "faildrill-upstream-" + number(i, j), Namespace: u.o.Namespace,
		Labels: map[string]string{"app": "faildrill-upstream", incluster.RunLabel: u.o.Run, label: number(i, j)},
	}
	args := []string{"-name", fmt.Sprintf("upstream-%d", i), "-body", "healthy: " + up.Address + "\n", "-seed", fmt.Sprint(u.s.Seed + uint64(i)), "-control", control}
	secure := false
	for _, p := range up.Ports {
		flag := "-listen"
		if up.TLS.Speaks(p) {
			flag, secure = "-listen-tls", true
		}
		args = append(args, flag, fmt.Sprintf(":%d", p))
	}
	c := corev1.Container{Name: container, Image: u.o.Image}
	if losesSYNs(u.s, i) {
		c.SecurityContext = incluster.NetAdmin() // some kernels want it for a listener that loses SYNs
	}
	var made []any
	if secure {
		shown, err := u.certificates.Upstream(up.TLS)
		if err != nil {
			return nil, err
		}
		flags, files := filesOf(shown)
		args = append(args, flags...)
		c.VolumeMounts = []corev1.VolumeMount{{Name: "tls", MountPath: certificatesAt, ReadOnly: true}}
		made = append(made, &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: meta, BinaryData: files})
	}
	c.Command, c.Args = []string{program}, args
	p := incluster.Bare(meta, c)
	if secure {
		p.Spec.Volumes = []corev1.Volume{{Name: "tls", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: meta.Name},
		}}}}
	}
	var os []*kube.Object
	for _, m := range append(made, p) {
		o, err := kube.ObjectOf(m)
		if err != nil {
			return nil, err
		}
		os = append(os, o)
	}
	return os, nil
}

// losesSYNs reports whether an upstream becomes a black hole.
func losesSYNs(s *schedule.Schedule, upstream int) bool {
	return slices.ContainsFunc(s.Steps, func(st schedule.Step) bool {
		return st.Fault != nil && st.Fault.Behaviour == schedule.Blackhole && int(st.Fault.Upstream) == upstream
	})
}

// filesOf are the files of a pod that shows certificates, and the flags that name them.
func filesOf(s certificates.Shown) (flags []string, files map[string][]byte) {
	files = map[string][]byte{}
	file := func(name string, parts ...[]byte) string {
		name += ".pem"
		files[name] = slices.Concat(parts...)
		return certificatesAt + "/" + name
	}
	flags = []string{"-cert", file("cert", s.Certificate.Chain), "-key", file("key", s.Certificate.Key)}
	if s.Required {
		flags = append(flags, "-client-ca", file("client-ca", s.ClientCA))
	}
	for _, fault := range slices.Sorted(maps.Keys(s.Faulty)) {
		flags = append(flags, "-faulty", fault+"="+file(fault, s.Faulty[fault].Chain, s.Faulty[fault].Key))
	}
	return flags, files
}

// Addresses are all pairs: of the schedule, and of its pod.
func (u *Upstreams) Addresses() map[netip.Addr]netip.Addr {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := map[netip.Addr]netip.Addr{}
	for _, p := range u.pods {
		m[p.ip] = p.address
	}
	return m
}

// of are the pods of an upstream.
func (u *Upstreams) of(upstream int32) []*pod {
	u.mu.Lock()
	defer u.mu.Unlock()
	var ps []*pod
	for _, p := range u.pods {
		if int32(p.upstream) == upstream {
			ps = append(ps, p)
		}
	}
	return ps
}

func (u *Upstreams) each(upstream int32, f func(mockupstreams.Client) error) error {
	var errs []error
	for _, p := range u.of(upstream) {
		errs = append(errs, f(p.control))
	}
	return errors.Join(errs...)
}

// Apply begins a fault of an upstream.
func (u *Upstreams) Apply(ctx context.Context, upstream int32, f mockupstreams.Fault) error {
	return u.each(upstream, func(c mockupstreams.Client) error { return c.Apply(ctx, f) })
}

// Heal ends one.
func (u *Upstreams) Heal(ctx context.Context, upstream int32, name string) error {
	return u.each(upstream, func(c mockupstreams.Client) error { return c.Heal(ctx, name) })
}

// AtWork reports whether a pod of an upstream has a fault of the name.
func (u *Upstreams) AtWork(ctx context.Context, upstream int32, name string) bool {
	found := false
	_ = u.each(upstream, func(c mockupstreams.Client) error { // one that does not answer has nothing to say
		fs, err := c.Faults(ctx)
		for _, f := range fs {
			found = found || f.Name == name
		}
		return err
	})
	return found
}

// Met is how many requests met a fault of the name.
func (u *Upstreams) Met(ctx context.Context, upstream int32, name string) int {
	n := 0
	_ = u.each(upstream, func(c mockupstreams.Client) error {
		counts, err := c.Counts(ctx)
		n += counts.ByFault[name]
		return err
	})
	return n
}

// Log is what the pods of an upstream wrote.
func (u *Upstreams) Log(ctx context.Context, upstream int32) ([]byte, error) {
	var all []byte
	for _, p := range u.of(upstream) {
		r, err := u.k.Core.CoreV1().Pods(u.o.Namespace).GetLogs(p.name, &corev1.PodLogOptions{Container: container}).Stream(ctx)
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(r)
		_ = r.Close() // it was only read
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// Stop hangs up. The pods go with all that has the run's label.
func (u *Upstreams) Stop(context.Context) error {
	u.mu.Lock()
	ps := u.pods
	u.pods = nil
	u.mu.Unlock()
	for _, p := range ps {
		_ = p.agent.Close() // its pod is removed
	}
	return nil
}
