package inside

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/faildrill/faildrill/harness/kube"
)

// proxyName is the injected container's, native or not (istio.io/istio/manifests/charts/istio-control).
const proxyName = "istio-proxy"

// proxyImage is the image of the proxy in a pod; "": there is none.
func proxyImage(pod *kube.Object) string {
	for _, list := range []string{"initContainers", "containers"} {
		cs, _, err := unstructured.NestedSlice(pod.Object, "spec", list)
		if err != nil {
			continue
		}
		for _, c := range cs {
			if m, ok := c.(map[string]any); ok && m["name"] == proxyName {
				image, _ := m["image"].(string)
				return image
			}
		}
	}
	return ""
}

// release is a tag that begins with one: 1.31.0, v1.31.0-distroless.
var release = regexp.MustCompile(`^v?(1\.\d+(\.\d+)?)(-.*)?$`)

// releaseOf is the release in an image's tag; "": it has none.
func releaseOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ := strings.Cut(name, ":")
	if m := release.FindStringSubmatch(tag); m != nil {
		return m[1]
	}
	return ""
}
