package incluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	istio "istio.io/client-go/pkg/apis/networking/v1"
	istioalpha "istio.io/client-go/pkg/apis/networking/v1alpha3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/faildrill/faildrill/harness/detour"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/schedule"
)

const (
	// RunLabel is on everything that a drill makes; its value is the run.
	RunLabel = "faildrill.dev/run"
	// clientLabel is on a client's pod; its value is the client's number.
	clientLabel = "faildrill.dev/client"

	agentContainer = "sleep" // as in Istio's own samples
	agentProgram   = "/faildrill-agent"
	dnsName        = "faildrill-dns"
	dnsContainer   = "dns"

	logs          = "/faildrill"
	logsVolume    = "faildrill-logs"
	accessLog     = logs + "/access.log"
	upstreamLog   = logs + "/upstream.log"
	outlierLog    = logs + "/outlier.log"
	bootstrapName = "faildrill-bootstrap"
	filesName     = "faildrill-files"
)

// Settings are what the objects of a run are made from.
type Settings struct {
	Namespace string
	Run       string // the value of RunLabel
	Agent     string // the agent's image
	// Own says that the namespace is made for the run. Else somebody made it for drills: nothing
	// outside of it is read, and a drill has it for itself while it lasts.
	Own bool
	// Regions are those of nodes, as region or region/zone: a client in one of them runs there.
	Regions []string
	// Istiod is the address of istiod's service, for proxies to find it without a name; not valid: they ask.
	Istiod netip.Addr
	// Files are what the configuration has the proxies read, by path: certificates and keys.
	Files map[string][]byte
}

func (s *Settings) meta(name string, labels map[string]string) metav1.ObjectMeta {
	all := map[string]string{RunLabel: s.Run}
	maps.Copy(all, labels)
	return metav1.ObjectMeta{Name: name, Namespace: s.Namespace, Labels: all}
}

// paths are those of Files, in order.
func (s *Settings) paths() []string { return slices.Sorted(maps.Keys(s.Files)) }

// names is what comes first: the namespace and the DNS server; where pods begin before it does
// its Service, too, which has an address at once.
func names(s *Settings) ([]*kube.Object, error) {
	var made []any
	dns := map[string]string{"app": dnsName}
	if s.Own {
		n := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: s.meta(s.Namespace, map[string]string{"istio-injection": "enabled"})}
		n.Namespace = ""
		ports := []corev1.ServicePort{
			{Name: "dns", Protocol: corev1.ProtocolUDP, Port: dnsPort, TargetPort: intstr.FromInt32(dnsPort)},
			{Name: "dns-tcp", Protocol: corev1.ProtocolTCP, Port: dnsPort, TargetPort: intstr.FromInt32(dnsPort)},
		}
		made = append(made, n, &corev1.Service{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: s.meta(dnsName, dns),
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": dnsName, RunLabel: s.Run}, Ports: ports},
		})
	}
	return objects(append(made, Bare(s.meta(dnsName, dns), corev1.Container{Name: dnsContainer, Image: s.Agent})))
}

// environment is what has to be there before any client: what proxies begin with, and how
// far they see.
func environment(s *Settings) ([]*kube.Object, error) {
	bootstrap, err := json.Marshal(map[string]any{"cluster_manager": map[string]any{"outlier_detection": map[string]any{"event_log_path": outlierLog}}})
	if err != nil {
		return nil, err
	}
	made := []any{
		&corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: s.meta(bootstrapName, nil),
			Data: map[string]string{"custom_bootstrap.json": string(bootstrap)},
		},
		// What other namespaces have under the same names is none of the drill's.
		&istio.Sidecar{
			TypeMeta: metav1.TypeMeta{APIVersion: "networking.istio.io/v1", Kind: "Sidecar"}, ObjectMeta: s.meta("faildrill", nil),
			Spec: networking.Sidecar{Egress: []*networking.IstioEgressListener{{Hosts: []string{"./*", "istio-system/*"}}}},
		},
	}
	if len(s.Files) > 0 {
		// No Secret: who plays need not be able to read those of a namespace, and these
		// certificates are of a CA that is trusted in this drill alone.
		files := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: s.meta(filesName, nil), BinaryData: map[string][]byte{}}
		for i, path := range s.paths() {
			files.BinaryData[fmt.Sprint(i)] = s.Files[path]
		}
		made = append(made, files)
	}
	filter := &istioalpha.EnvoyFilter{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.istio.io/v1alpha3", Kind: "EnvoyFilter"}, ObjectMeta: s.meta("faildrill-logs", nil),
	}
	if err := logged(&filter.Spec); err != nil {
		return nil, err
	}
	return objects(append(made, filter))
}

// Bare is a pod without a sidecar, which does one thing for a drill, as an ordinary user who
// may listen on every port (all of it is in the profile "restricted" of the Pod Security Standards).
func Bare(meta metav1.ObjectMeta, c corev1.Container) *corev1.Pod {
	meta.Labels = maps.Clone(meta.Labels)
	meta.Labels["sidecar.istio.io/inject"] = "false"
	c.Resources = small
	if c.SecurityContext == nil {
		c.SecurityContext = confined()
	}
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta,
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{c},
			SecurityContext:               &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}},
			TerminationGracePeriodSeconds: new(int64), AutomountServiceAccountToken: new(bool),
		},
	}
}

// confined is what a container of the drill may do: nothing that the strictest namespace forbids.
func confined() *corev1.SecurityContext {
	yes := true
	return &corev1.SecurityContext{
		RunAsNonRoot: &yes, AllowPrivilegeEscalation: new(bool), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// NetAdmin is what a container may do that changes the network of its pod.
func NetAdmin() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsUser: new(int64), RunAsGroup: new(int64), RunAsNonRoot: new(bool), AllowPrivilegeEscalation: new(bool),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_ADMIN"}},
	}
}

// small is what a pod asks for that does little.
var small = corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}}

func objects(made []any) ([]*kube.Object, error) {
	var os []*kube.Object
	for _, m := range made {
		o, err := kube.ObjectOf(m)
		if err != nil {
			return nil, err
		}
		os = append(os, o)
	}
	return os, nil
}

// logged makes the proxies write a line for each request and one for each attempt.
func logged(f *networking.EnvoyFilter) error {
	file := func(path string, format map[string]string) any {
		return map[string]any{
			"name": "envoy.access_loggers.file",
			"typed_config": map[string]any{
				"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
				"log_format": map[string]any{"json_format": format},
			},
		}
	}
	manager := &networking.EnvoyFilter_EnvoyConfigObjectMatch{
		Context: networking.EnvoyFilter_SIDECAR_OUTBOUND,
		ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
			FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{
				Name: "envoy.filters.network.http_connection_manager",
			}},
		}},
	}
	router := &networking.EnvoyFilter_EnvoyConfigObjectMatch{
		Context: networking.EnvoyFilter_SIDECAR_OUTBOUND,
		ObjectTypes: &networking.EnvoyFilter_EnvoyConfigObjectMatch_Listener{Listener: &networking.EnvoyFilter_ListenerMatch{
			FilterChain: &networking.EnvoyFilter_ListenerMatch_FilterChainMatch{Filter: &networking.EnvoyFilter_ListenerMatch_FilterMatch{
				Name: "envoy.filters.network.http_connection_manager", SubFilter: &networking.EnvoyFilter_ListenerMatch_SubFilterMatch{Name: "envoy.filters.http.router"},
			}},
		}},
	}
	for _, p := range []struct {
		to    networking.EnvoyFilter_ApplyTo
		match *networking.EnvoyFilter_EnvoyConfigObjectMatch
		value map[string]any
	}{
		{networking.EnvoyFilter_NETWORK_FILTER, manager, map[string]any{"typed_config": map[string]any{
			"@type":      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"access_log": []any{file(accessLog, observe.AccessLog)},
		}}},
		{networking.EnvoyFilter_HTTP_FILTER, router, map[string]any{"name": "envoy.filters.http.router", "typed_config": map[string]any{
			"@type":        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
			"upstream_log": []any{file(upstreamLog, observe.UpstreamLog)},
		}}},
	} {
		b, err := json.Marshal(p.value)
		if err != nil {
			return err
		}
		v := &structpb.Struct{}
		if err := protojson.Unmarshal(b, v); err != nil {
			return err
		}
		f.ConfigPatches = append(f.ConfigPatches, &networking.EnvoyFilter_EnvoyConfigObjectPatch{
			ApplyTo: p.to, Match: p.match, Patch: &networking.EnvoyFilter_Patch{Operation: networking.EnvoyFilter_Patch_MERGE, Value: v},
		})
	}
	return nil
}

// proxyConfig is what a proxy needs to be seen: one worker, every counter, logs
// without delay (istio.mesh.v1alpha1.ProxyConfig).
const proxyConfig = `{"concurrency": 1, "fileFlushInterval": "0.050s", "proxyStatsMatcher": {"inclusionRegexps": [".*"]}}`

// workload is a client's pod, in a Deployment if the namespace is the run's: one container to send
// requests from, by the agent, or by people with curl.
func workload(s *Settings, c *schedule.Client, number int, nameserver string, detours detour.Rules) (*kube.Object, error) {
	labels := map[string]string{"app": objectName(c.Name), clientLabel: fmt.Sprint(number), RunLabel: s.Run}
	maps.Copy(labels, c.Labels)
	annotations := map[string]string{
		"proxy.istio.io/config":              proxyConfig,
		"sidecar.istio.io/bootstrapOverride": bootstrapName,
	}
	mounts := map[string]any{logsVolume: map[string]any{"mountPath": logs}}
	volumes := []corev1.Volume{{Name: logsVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for i, path := range s.paths() {
		name := fmt.Sprintf("%s-%d", filesName, i)
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: filesName},
		}}})
		mounts[name] = map[string]any{"mountPath": path, "subPath": fmt.Sprint(i), "readOnly": true}
	}
	mounted, err := json.Marshal(mounts)
	if err != nil {
		return nil, err
	}
	annotations["sidecar.istio.io/userVolumeMount"] = string(mounted)
	spec := corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: agentContainer, Image: s.Agent, Resources: small, SecurityContext: confined(), VolumeMounts: []corev1.VolumeMount{{Name: logsVolume, MountPath: logs}},
		}},
		Volumes:                       volumes,
		TerminationGracePeriodSeconds: new(int64),
		DNSPolicy:                     corev1.DNSNone,
		DNSConfig:                     &corev1.PodDNSConfig{Nameservers: []string{nameserver}, Searches: []string{s.Namespace + ".svc.cluster.local", "svc.cluster.local", "cluster.local"}},
	}
	if s.Istiod.IsValid() {
		spec.HostAliases = []corev1.HostAlias{{IP: s.Istiod.String(), Hostnames: []string{"istiod.istio-system.svc"}}}
	}
	if !detours.Empty() {
		rules, err := json.Marshal(detours)
		if err != nil {
			return nil, err
		}
		spec.InitContainers = []corev1.Container{detouring(s.Agent, string(rules))}
	}
	region, zone := c.Locality.Region, c.Locality.Zone
	switch {
	case region == "":
	case slices.Contains(s.Regions, strings.TrimSuffix(region+"/"+zone, "/")) && c.Locality.SubZone == "":
		// The locality comes from where the pod runs, as everybody's does.
		spec.NodeSelector = map[string]string{corev1.LabelTopologyRegion: region}
		if zone != "" {
			spec.NodeSelector[corev1.LabelTopologyZone] = zone
		}
		spec.Tolerations = []corev1.Toleration{{Key: "node-role.kubernetes.io/control-plane", Operator: corev1.TolerationOpExists}}
	default:
		// A place without a node: the label that Istio reads before the node's.
		labels["istio-locality"] = strings.ReplaceAll(strings.TrimRight(strings.Join([]string{region, zone, c.Locality.SubZone}, "/"), "/"), "/", ".")
	}
	if !s.Own {
		meta := s.meta(fmt.Sprintf("%s-%d", objectName(c.Name), number), labels)
		meta.Annotations = annotations
		return kube.ObjectOf(&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: meta, Spec: spec})
	}
	selector := map[string]string{clientLabel: labels[clientLabel], RunLabel: s.Run}
	return kube.ObjectOf(&appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: s.meta(objectName(c.Name), nil),
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations}, Spec: spec},
		},
	})
}

// Samples are pods as a drill makes them, under names that nobody has: to ask whether a namespace
// would take them.
type Samples struct {
	Client   *kube.Object // its proxy is injected
	Bare     *kube.Object // the DNS server, an upstream
	NetAdmin *kube.Object // one that changes its network
}

// SamplesOf are the pods of a namespace.
func SamplesOf(namespace, image string) (Samples, error) {
	const run = "preflight"
	s := &Settings{Namespace: namespace, Run: run, Agent: image}
	var out Samples
	var err error
	if out.Client, err = workload(s, &schedule.Client{Name: "faildrill-" + run}, 0, "192.0.2.1", detour.Rules{}); err != nil {
		return out, err
	}
	bare := corev1.Container{Name: "bare", Image: image}
	if out.Bare, err = kube.ObjectOf(Bare(s.meta("faildrill-"+run, nil), bare)); err != nil {
		return out, err
	}
	bare.SecurityContext = NetAdmin()
	out.NetAdmin, err = kube.ObjectOf(Bare(s.meta("faildrill-"+run, nil), bare))
	return out, err
}

// detouring is the container that sets the detours of its pod, and ends: nobody else there may.
func detouring(image, rules string) corev1.Container {
	return corev1.Container{Name: "faildrill-detour", Image: image, Args: []string{"detour", rules}, Resources: small, SecurityContext: NetAdmin()}
}

// objectName is a client's name as Kubernetes takes it (RFC 1123).
func objectName(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	short := b.String()
	if len(short) > 50 {
		short = short[:50]
	}
	if short = strings.Trim(short, "-"); short == "" {
		return "client"
	}
	return short
}
