package istiod

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/faildrill/faildrill/harness/schedule"
)

// Options say how istiod runs. The zero value of a field is its default.
type Options struct {
	Binary string // path of pilot-discovery
	Dir    string // folder of its files and its log; it is made
	// Host is the address that xDS is served on; "" is 127.0.0.1. /debug answers
	// without credentials on 127.0.0.1 only.
	Host string
	// HTTPPort serves /ready and /debug, GRPCPort xDS; 0 is a free one.
	HTTPPort, GRPCPort int
	// MeshConfig lies over DefaultMeshConfig, key by key at the top level.
	MeshConfig map[string]any
	Env        []string // more variables, K=V; nothing is inherited but PATH
	// DebounceAfter is how long istiod waits for more changes before it pushes; 0 is its own 100 ms.
	DebounceAfter time.Duration
	// Documents are the objects that it starts with.
	Documents []schedule.Document
	// ReadyTimeout bounds Start and SetConfig; 0 is 30 s.
	ReadyTimeout time.Duration
}

// Istiod is a running istiod with its stub of an API server.
type Istiod struct {
	opts       Options
	process    *process
	stub       *http.Server
	stubDone   chan struct{}
	client     *http.Client
	generation int
}

const (
	defaultHost  = "127.0.0.1"
	readyTimeout = 30 * time.Second
	pollEvery    = 5 * time.Millisecond
	portTries    = 3

	configFolder = "config" // watched by istiod
	configFile   = "objects.yaml"
	meshFile     = "mesh.yaml"
	logFile      = "istiod.log"
)

// DefaultMeshConfig is the mesh configuration under Options.MeshConfig: unknown hosts are answered 502 instead of being let out.
func DefaultMeshConfig(grpcAddr string) map[string]any {
	return map[string]any{
		"trustDomain":           "cluster.local",
		"defaultConfig":         map[string]any{"discoveryAddress": grpcAddr},
		"outboundTrafficPolicy": map[string]any{"mode": "REGISTRY_ONLY"},
	}
}

// environment switches off what a plain Envoy does not have and what needs a cluster.
func (o *Options) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"PILOT_ENABLE_METADATA_EXCHANGE=false", "PILOT_ENABLE_ALPN_FILTER=false",
		"PILOT_ENABLE_TELEMETRY_LABEL=false", "PILOT_ENDPOINT_TELEMETRY_LABEL=false",
		"ISTIO_KUBE_CLIENT_CONTENT_TYPE=json", "PILOT_ENABLE_GATEWAY_API=false", "ENABLE_LEADER_ELECTION=false",
	}
	if o.DebounceAfter > 0 {
		env = append(env, "PILOT_DEBOUNCE_AFTER="+o.DebounceAfter.String())
	}
	return append(env, o.Env...)
}

// Start starts istiod and waits until it is ready. An istiod that dies or hangs
// is an error of one sentence with the end of its log; one that refuses its first
// configuration, which it does by dying, is a *RefusedError.
func Start(ctx context.Context, o Options) (*Istiod, error) {
	if o.Host == "" {
		o.Host = defaultHost
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = readyTimeout
	}
	for try := 1; ; try++ {
		i, err := start(ctx, o)
		// A free port can be taken before istiod listens on it.
		if free := o.HTTPPort == 0 || o.GRPCPort == 0; err != nil && free && try < portTries && strings.Contains(err.Error(), "address already in use") {
			continue
		}
		return i, err
	}
}

func start(ctx context.Context, o Options) (_ *Istiod, err error) {
	// Paths are told to a child with a working directory of its own.
	for _, p := range []*string{&o.Dir, &o.Binary} {
		if *p, err = filepath.Abs(*p); err != nil {
			return nil, fmt.Errorf("starting istiod: %w", err)
		}
	}
	if err := o.choosePorts(); err != nil {
		return nil, fmt.Errorf("starting istiod: %w", err)
	}
	i := &Istiod{opts: o, client: &http.Client{Transport: &http.Transport{}}}
	defer func() {
		if err != nil {
			i.Stop()
		}
	}()
	kubeconfig, err := i.serveStub()
	if err != nil {
		return nil, fmt.Errorf("starting the stub of an API server: %w", err)
	}
	if err := i.writeFiles(kubeconfig); err != nil {
		return nil, fmt.Errorf("writing istiod's files: %w", err)
	}
	cmd := exec.Command(o.Binary, i.arguments()...)
	cmd.Dir, cmd.Env = o.Dir, o.environment()
	if i.process, err = startProcess(cmd, filepath.Join(o.Dir, logFile)); err != nil {
		return nil, fmt.Errorf("starting istiod: %w", err)
	}
	err = i.await(ctx, "was ready", func(ctx context.Context) (bool, error) {
		return i.get(ctx, "/ready", io.Discard) == nil, nil
	})
	if err != nil {
		if reason := firstRefusal(i.process.logFrom(0)); reason != "" {
			return nil, &RefusedError{reason}
		}
		return nil, err
	}
	return i, nil
}

func (o *Options) choosePorts() error {
	for _, p := range []struct {
		host   string
		number *int
	}{{defaultHost, &o.HTTPPort}, {o.Host, &o.GRPCPort}} {
		if *p.number != 0 {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(p.host, "0"))
		if err != nil {
			return err
		}
		*p.number = l.Addr().(*net.TCPAddr).Port
		defer l.Close() // both are held, so that they differ
	}
	return nil
}

// serveStub returns the kubeconfig for it.
func (i *Istiod) serveStub() ([]byte, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(i.opts.Host, "0"))
	if err != nil {
		return nil, err
	}
	i.stub, i.stubDone = &http.Server{Handler: Stub{}}, make(chan struct{})
	go func() {
		defer close(i.stubDone)
		_ = i.stub.Serve(l) // ends with Close
	}()
	return Kubeconfig(l.Addr().String()), nil
}

func (i *Istiod) writeFiles(kubeconfig []byte) error {
	if err := os.MkdirAll(filepath.Join(i.opts.Dir, configFolder), 0o755); err != nil {
		return err
	}
	mesh := DefaultMeshConfig(i.GRPCAddr())
	maps.Copy(mesh, i.opts.MeshConfig)
	text, err := yaml.Marshal(mesh)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(i.opts.Dir, meshFile), text, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(i.opts.Dir, "kubeconfig"), kubeconfig, 0o600); err != nil {
		return err
	}
	_, err = i.writeObjects(i.opts.Documents)
	return err
}

func (i *Istiod) arguments() []string {
	dir := func(name string) string { return filepath.Join(i.opts.Dir, name) }
	return []string{
		"discovery", "--configDir", dir(configFolder), "--registries=Kubernetes", "--kubeconfig", dir("kubeconfig"),
		"--meshConfig", dir(meshFile), "--httpAddr", i.HTTPAddr(), "--httpsAddr", "", "--grpcAddr", i.GRPCAddr(),
		"--secureGRPCAddr", "", "--monitoringAddr", "", "--ctrlz_address", defaultHost, "--ctrlz_port", "0",
	}
}

// HTTPAddr is where /ready and /debug are served, host:port.
func (i *Istiod) HTTPAddr() string {
	return net.JoinHostPort(defaultHost, strconv.Itoa(i.opts.HTTPPort))
}

// GRPCAddr is where xDS is served in plain text, host:port.
func (i *Istiod) GRPCAddr() string {
	return net.JoinHostPort(i.opts.Host, strconv.Itoa(i.opts.GRPCPort))
}

// LogPath is the file with istiod's output.
func (i *Istiod) LogPath() string { return filepath.Join(i.opts.Dir, logFile) }

// Done is closed when istiod has exited.
func (i *Istiod) Done() <-chan struct{} { return i.process.done }

// Death says how istiod died before something had come about, in one sentence.
func (i *Istiod) Death(before string) error {
	return fmt.Errorf("istiod died before %s (%s); the end of its log: %s", before, i.process.exit(), i.process.tail())
}

// Stop kills istiod and waits until it and the stub have gone. It may be called twice.
func (i *Istiod) Stop() {
	if i.process != nil {
		i.process.stop()
	}
	if i.stub != nil {
		_ = i.stub.Close() // its listener; nothing is lost
		<-i.stubDone
	}
	i.client.CloseIdleConnections()
}

// RefusedError is istiod's refusal of a whole configuration; the one before stays.
type RefusedError struct {
	Reason string // istiod's own words
}

func (e *RefusedError) Error() string { return "istiod refuses the configuration: " + e.Reason }

// SetConfig replaces all objects and waits until istiod has taken them. A
// configuration that istiod refuses is a *RefusedError.
func (i *Istiod) SetConfig(ctx context.Context, documents []schedule.Document) error {
	from := i.process.logSize()
	marker, err := i.writeObjects(documents)
	if err != nil {
		return fmt.Errorf("writing istiod's objects: %w", err)
	}
	return i.await(ctx, "had taken its configuration", func(ctx context.Context) (bool, error) {
		if reason := refusal(i.process.logFrom(from)); reason != "" {
			return false, &RefusedError{reason}
		}
		return i.has(ctx, marker), nil
	})
}

const refusedFirst = "error initializing config controller: "

// firstRefusal finds in the log of an istiod that died why it did not start with
// its configuration; "" when it died of something else.
func firstRefusal(log string) string {
	_, rest, _ := strings.Cut(log, refusedFirst)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

const refused = "unable to reload file configuration "

// refusal finds in a log why a configuration was refused; "" when it was not.
func refusal(log string) string {
	_, rest, found := strings.Cut(log, refused)
	if !found || !strings.Contains(rest, "\n") { // a line that is still being written
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	if _, why, found := strings.Cut(line, ": "); found { // the folder comes first
		return why
	}
	return line
}

const (
	markerKind      = "WorkloadGroup" // reaches no proxy
	markerNamespace = "faildrill"
	markerPrefix    = "generation-"
)

// writeObjects replaces the folder's one file in one step, with one object more
// by which the configuration is known to have been taken, and returns its name.
// The new file is written outside of the watched folder, so that istiod sees a
// single event.
func (i *Istiod) writeObjects(documents []schedule.Document) (marker string, err error) {
	i.generation++
	marker = markerPrefix + strconv.Itoa(i.generation)
	var b strings.Builder
	ages := ages(documents)
	for i, d := range documents {
		text, err := complete(d, ages[i])
		if err != nil {
			return "", err
		}
		b.WriteString(text)
		b.WriteString("---\n")
	}
	fmt.Fprintf(&b, "apiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: %s, namespace: %s}\n"+
		"spec: {template: {serviceAccount: none}}\n", markerKind, marker, markerNamespace)

	next := filepath.Join(i.opts.Dir, configFile)
	if err := os.WriteFile(next, []byte(b.String()), 0o644); err != nil {
		return "", err
	}
	return marker, os.Rename(next, filepath.Join(i.opts.Dir, configFolder, configFile))
}

// ages gives the ServiceEntries ages by namespace and name, as harness/istio
// orders them: of equally old ones, istiod takes any first. Objects of other kinds it
// orders by name itself.
func ages(documents []schedule.Document) []time.Time {
	var entries []int
	for i, d := range documents {
		if d.Kind == "ServiceEntry" {
			entries = append(entries, i)
		}
	}
	slices.SortStableFunc(entries, func(a, b int) int {
		x, y := documents[a], documents[b]
		return cmp.Or(strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name))
	})
	out := make([]time.Time, len(documents))
	for rank, i := range entries {
		out[i] = time.Unix(int64(rank)+1, 0).UTC()
	}
	return out
}

// complete is the document with its name and namespace written out, because
// istiod takes an absent one for none at all, and with its age unless that is zero.
func complete(d schedule.Document, age time.Time) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(d.YAML), &doc); err != nil {
		return "", fmt.Errorf("%s %s/%s: %w", d.Kind, d.Namespace, d.Name, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return "", fmt.Errorf("%s %s/%s: the document is no object", d.Kind, d.Namespace, d.Name)
	}
	metadata := child(doc.Content[0], "metadata", yaml.MappingNode)
	fields := [][2]string{{"name", d.Name}, {"namespace", d.Namespace}}
	if !age.IsZero() {
		fields = append(fields, [2]string{"creationTimestamp", age.Format(time.RFC3339)})
	}
	for _, f := range fields {
		if f[1] != "" {
			child(metadata, f[0], yaml.ScalarNode).SetString(f[1])
		}
	}
	out, err := yaml.Marshal(doc.Content[0])
	return string(out), err
}

// child returns the value of the key in the mapping, made if it is not there.
func child(mapping *yaml.Node, key string, kind yaml.Kind) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			if v := mapping.Content[i+1]; v.Kind == kind {
				return v
			}
			mapping.Content[i+1] = &yaml.Node{Kind: kind}
			return mapping.Content[i+1]
		}
	}
	k, v := &yaml.Node{}, &yaml.Node{Kind: kind}
	k.SetString(key)
	mapping.Content = append(mapping.Content, k, v)
	return v
}

// has reports whether istiod has the marker.
func (i *Istiod) has(ctx context.Context, marker string) bool {
	var b strings.Builder
	if i.get(ctx, "/debug/configz", &b) != nil {
		return false
	}
	var objects []struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if json.Unmarshal([]byte(b.String()), &objects) != nil {
		return false
	}
	for _, o := range objects {
		if o.Kind == markerKind && o.Metadata.Namespace == markerNamespace && o.Metadata.Name == marker {
			return true
		}
	}
	return false
}

// get reads a page of istiod; anything but 200 is an error.
func (i *Istiod) get(ctx context.Context, path string, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.HTTPAddr()+path, nil)
	if err != nil {
		return err
	}
	res, err := i.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(into, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// await polls until ok says yes or fails, istiod dies, the time is up or ctx ends.
func (i *Istiod) await(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	limit, cancel := context.WithTimeout(ctx, i.opts.ReadyTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		yes, err := ok(limit)
		if yes || err != nil {
			return err
		}
		select {
		case <-i.process.done:
			return i.Death("it " + what)
		case <-limit.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("waiting for istiod: %w", context.Cause(ctx))
			}
			return fmt.Errorf("%s passed before istiod %s; the end of its log: %s", i.opts.ReadyTimeout, what, i.process.tail())
		case <-tick.C:
		}
	}
}
