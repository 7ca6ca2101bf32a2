package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// Stream is the standard input and output of a program in a pod.
type Stream struct {
	in  *io.PipeWriter
	out *io.PipeReader

	stop  context.CancelFunc
	ended chan struct{}
	errs  *tail
	err   error // set before ended is closed
}

// Exec starts a program in a container. It runs until the stream is closed, or ends.
func (c *Client) Exec(namespace, pod, container string, command ...string) (*Stream, error) {
	q := c.Core.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	ws, err := remotecommand.NewWebSocketExecutor(c.config, "GET", q.URL().String())
	if err != nil {
		return nil, c.sentence("exec in "+pod, err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", q.URL())
	if err != nil {
		return nil, c.sentence("exec in "+pod, err)
	}
	// An API server from before 1.29, or a proxy before it, knows only the older way.
	e, err := remotecommand.NewFallbackExecutor(ws, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, c.sentence("exec in "+pod, err)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	s := &Stream{in: inW, out: outR, stop: stop, ended: make(chan struct{}), errs: &tail{}}
	go func() {
		err := e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: inR, Stdout: outW, Stderr: s.errs})
		if err != nil && ctx.Err() == nil {
			err = c.sentence(fmt.Sprintf("exec of %s in %s", command[0], pod), errors.Join(err, s.errs.error()))
		}
		s.err = err
		close(s.ended)
		inR.Close()
		if err != nil {
			outW.CloseWithError(err)
		} else {
			outW.Close()
		}
		stop()
	}()
	return s, nil
}

func (s *Stream) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *Stream) Write(b []byte) (int, error) { return s.in.Write(b) }

// Close ends the program's input, and with it a program that reads it.
func (s *Stream) Close() error {
	s.in.Close()
	s.stop()
	<-s.ended
	s.out.Close()
	return nil
}

// tail is the end of what a program writes to its standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - 2000; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) error() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(bytes.ToValidUTF8(t.b, nil))); text != "" {
		return errors.New(text)
	}
	return nil
}
