package incluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

const (
	// lookWithin bounds each source of evidence.
	lookWithin = 3 * time.Second
	// mostOfLog bounds a log, in bytes; its end is what is kept.
	mostOfLog = 2 << 20
)

// source is a file of the run's evidence, and where it comes from.
type source struct {
	file string
	read func(context.Context) ([]byte, error)
}

// collect keeps what people look at when a drill went wrong: the events of its namespace, its
// pods, and the logs of istiod, sidecars and upstreams. Every source has its own time; one
// that does not answer is named, and the others are kept.
func (p *player) collect(ctx context.Context) {
	var reading sync.WaitGroup
	for _, s := range p.sources() {
		reading.Go(func() {
			ctx, stop := context.WithTimeout(ctx, lookWithin)
			defer stop()
			b, err := s.read(ctx)
			if err != nil {
				p.sink.Event(trace.Note{At: trace.Sec(p.since()), Text: fmt.Sprintf("evidence: no %s: %v", s.file, err)})
				return
			}
			p.sink.Evidence(s.file, b)
		})
	}
	reading.Wait()
}

func (p *player) sources() []source {
	ns := p.o.Settings.Namespace
	out := []source{
		{"events.txt", func(ctx context.Context) ([]byte, error) { return p.events(ctx, ns) }},
		{"pods.txt", func(ctx context.Context) ([]byte, error) { return p.podTable(ctx, ns) }},
	}
	if p.o.Settings.Own { // else it is not ours to read
		out = append(out, source{"istiod.log", func(ctx context.Context) ([]byte, error) {
			return p.logsOf(ctx, "istio-system", "app=istiod", "discovery")
		}})
	}
	for i := range p.s.Clients {
		out = append(out, source{backend.ClientFile(p.s.Clients[i].Name, "proxy.log"), func(ctx context.Context) ([]byte, error) {
			return p.logsOf(ctx, ns, fmt.Sprintf("%s=%d,%s=%s", clientLabel, i, RunLabel, p.o.Settings.Run), "istio-proxy")
		}})
	}
	for i := range p.s.Upstreams {
		out = append(out, source{"upstream-" + objectName(p.s.Upstreams[i].Name) + ".log", func(ctx context.Context) ([]byte, error) {
			return p.o.Upstreams.Log(ctx, int32(i))
		}})
	}
	return out
}

// events are the namespace's, the oldest first.
func (p *player) events(ctx context.Context, namespace string) ([]byte, error) {
	es, err := p.o.Cluster.Core.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	when := func(e *corev1.Event) time.Time {
		if e.LastTimestamp.IsZero() {
			return e.EventTime.Time
		}
		return e.LastTimestamp.Time
	}
	slices.SortStableFunc(es.Items, func(a, b corev1.Event) int { return when(&a).Compare(when(&b)) })
	var b bytes.Buffer
	for i := range es.Items {
		e := &es.Items[i]
		fmt.Fprintf(&b, "%s %s %s %s/%s: %s\n", when(e).UTC().Format(time.RFC3339), e.Type, e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message)
	}
	return b.Bytes(), nil
}

// podTable is a line for each container of the namespace's pods.
func (p *player) podTable(ctx context.Context, namespace string) ([]byte, error) {
	pods, err := p.o.Cluster.Core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for i := range pods.Items {
		pod := &pods.Items[i]
		fmt.Fprintf(&b, "%s %s on %s, %s\n", pod.Name, pod.Status.Phase, pod.Spec.NodeName, pod.Status.PodIP)
		for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			state := "running"
			switch {
			case c.State.Waiting != nil:
				state = "waiting: " + c.State.Waiting.Reason + " " + c.State.Waiting.Message
			case c.State.Terminated != nil:
				state = fmt.Sprintf("ended with %d: %s %s", c.State.Terminated.ExitCode, c.State.Terminated.Reason, c.State.Terminated.Message)
			}
			fmt.Fprintf(&b, "  %s ready %v, restarts %d, %s\n", c.Name, c.Ready, c.RestartCount, state)
		}
	}
	return b.Bytes(), nil
}

// logsOf is the end of a container's log, since shortly before the drill's pods were made.
func (p *player) logsOf(ctx context.Context, namespace, selector, container string) ([]byte, error) {
	pods, err := p.o.Cluster.Core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	for i := range pods.Items {
		since := metav1.NewTime(p.made)
		r, err := p.o.Cluster.Core.CoreV1().Pods(namespace).GetLogs(pods.Items[i].Name, &corev1.PodLogOptions{Container: container, SinceTime: &since}).Stream(ctx)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(&all, r)
		_ = r.Close() // it was only read
		if err != nil {
			return nil, err
		}
	}
	return tail(all.Bytes()), nil
}

// tail is the end of a log, from the beginning of a line.
func tail(b []byte) []byte {
	if len(b) <= mostOfLog {
		return b
	}
	b = b[len(b)-mostOfLog:]
	return b[bytes.IndexByte(b, '\n')+1:]
}
