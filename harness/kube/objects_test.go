package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// What only a cluster writes is not applied again.
func TestParse(t *testing.T) {
	o, err := Parse(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb, resourceVersion: "7", uid: u, generation: 2, creationTimestamp: "2026-01-01T00:00:00Z", managedFields: [{}]}
spec: {ports: [{number: 80}]}
status: {addresses: []}
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Object) != 4 || len(o.Object["metadata"].(map[string]any)) != 1 {
		t.Errorf("got %v", o.Object)
	}
	ports, _, err := unstructured.NestedSlice(o.Object, "spec", "ports")
	if err != nil || ports[0].(map[string]any)["number"] != int64(80) {
		t.Errorf("got %v, %v: the API wants whole numbers", ports, err)
	}
	if String(o) != "ServiceEntry/mydb" {
		t.Errorf("got %s", String(o))
	}
	if _, err := Parse("a: [b"); err == nil {
		t.Error("it was parsed")
	}
}

func TestObjectOf(t *testing.T) {
	o, err := ObjectOf(&corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: "sleep"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, has := o.Object["status"]; has || o.GetCreationTimestamp() != (metav1.Time{}) {
		t.Errorf("got %v", o.Object)
	}
}

// A pod that is not ready says why.
func TestNotReady(t *testing.T) {
	for want, p := range map[string]corev1.PodStatus{
		"the cluster cannot pull the image own:1: ImagePullBackOff no such image": {ContainerStatuses: []corev1.ContainerStatus{{Name: "sleep", Image: "own:1", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such\nimage"},
		}}}},
		"container istio-init ended with code 1: refused": {InitContainerStatuses: []corev1.ContainerStatus{{Name: "istio-init", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: "refused"},
		}}}},
		"it is not scheduled: Insufficient cpu": {Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "Insufficient cpu"}}},
		"pod a is Pending":                      {Phase: corev1.PodPending},
	} {
		if got := notReady(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Status: p}); got.Error() != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}
