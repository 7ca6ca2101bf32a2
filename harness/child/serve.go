package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

// exitOrphan is the exit code of a child whose parent is gone.
const exitOrphan = 137

// Rest is what goes on after a play when the parent keeps the child; it returns at
// the end of that.
type Rest func() error

// Play plays a job.
type Play func(ctx context.Context, job []byte, sink backend.Sink) (Rest, error)

// Serve is the child's whole life: it reads the job, plays, and returns the exit
// code. The context is done when the parent says so, and when it is gone. Then
// orphaned is called, unless it is nil, and the process ends; the channel is closed
// when the play has returned.
func Serve(play Play, orphaned func(job []byte, played <-chan struct{})) int {
	// What the child starts must not hold them open.
	syscall.CloseOnExec(jobFile)
	syscall.CloseOnExec(eventsFile)
	// What a library says to a parent that is gone must not end the child before it has undone
	// what it did (os/signal: SIGPIPE). What the child starts has the signal as it was.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	in, out := os.NewFile(jobFile, "job"), os.NewFile(eventsFile, "events")
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 0, 1<<16), longestLine)
	if !s.Scan() {
		fmt.Fprintln(os.Stderr, "this program is started by faildrill")
		return 2
	}
	job := append([]byte(nil), s.Bytes()...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	kept, played, written := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	go func() {
		for s.Scan() {
			switch s.Text() {
			case wordCancel:
				cancel()
			case wordWritten:
				written <- struct{}{}
			case wordKeep:
				close(kept)
				return // the parent may go
			}
		}
		cancel()
		if orphaned != nil {
			orphaned(job, played)
		}
		os.Exit(exitOrphan)
	}()
	w := &sink{out: out, written: written}
	rest, err := play(ctx, job, w)
	close(played)
	result := resultOf(err)
	result.Rests = rest != nil
	w.send(message{Result: result})
	if w.failed() != nil {
		fmt.Fprintln(os.Stderr, w.failed())
		return 1
	}
	if rest == nil {
		return 0
	}
	if err := out.Close(); err != nil { // it was the last message
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	<-kept
	if err := rest(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func resultOf(err error) *outcome {
	if err == nil {
		return &outcome{}
	}
	o := &outcome{Error: err.Error(), Canceled: errors.Is(err, context.Canceled)}
	errors.As(err, &o.Rejected)
	return o
}

// sink writes to the parent.
type sink struct {
	undo    sync.Mutex // one entry of the journal at a time
	written <-chan struct{}

	mu  sync.Mutex
	out *os.File
	err error
}

func (s *sink) Event(e trace.Event) {
	b, err := trace.AppendLine(nil, e)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = errors.Join(s.err, err)
		return
	}
	s.send(message{Event: b})
}

func (s *sink) Evidence(name string, data []byte) {
	s.send(message{Evidence: &evidence{Name: name, Data: data}})
}

// Undo returns when the entry is written down. A parent that cannot is gone, or ends this process.
func (s *sink) Undo(u backend.Undo) error {
	s.undo.Lock()
	defer s.undo.Unlock()
	s.send(message{Undo: &u})
	if err := s.failed(); err != nil {
		return err
	}
	<-s.written
	return nil
}

func (s *sink) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sink) send(m message) {
	b, err := json.Marshal(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		_, err = s.out.Write(append(b, '\n'))
	}
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("telling what it sees: %w", err)
	}
}
