package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
)

// patience is how long an interrupted child may take to end.
const patience = 40 * time.Second

// ErrStart wraps the error of starting the program.
var ErrStart = errors.New("cannot be started")

// Run runs the command with a job, hands the sink what it sees, and waits until it
// has ended. The error is the play's own, or says how the program died.
func Run(ctx context.Context, cmd *exec.Cmd, job any, sink backend.Sink) error {
	line, err := json.Marshal(job)
	if err != nil {
		return err
	}
	jobR, jobW, err := os.Pipe()
	if err != nil {
		return err
	}
	eventsR, eventsW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, jobR.Close(), jobW.Close())
	}
	cmd.ExtraFiles = []*os.File{jobR, eventsW}
	var tail tail
	cmd.Stdout, cmd.Stderr = &tail, &tail
	ended, err := start(cmd)
	jobR.Close()
	eventsW.Close()
	defer eventsR.Close()
	defer jobW.Close()
	if err != nil {
		return fmt.Errorf("%s %w: %w", cmd.Path, ErrStart, err)
	}

	over := make(chan struct{})
	var talking sync.WaitGroup
	defer talking.Wait()
	defer close(over)
	talking.Go(func() { talk(ctx, jobW, line, over, cmd) })

	result, readErr := listen(eventsR, sink)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may wait for somebody to read; that it has ended is no error
	}
	waitErr := <-ended
	switch {
	case readErr != nil:
		return readErr
	case ctx.Err() != nil && (result == nil || result.Canceled):
		return ctx.Err()
	case result != nil:
		return result.err()
	}
	return fmt.Errorf("%s died: %v%s", cmd.Path, waitErr, tail.said())
}

// start starts the command on a thread that stays until the command has ended:
// the system ends a child whose parent's thread is gone, if it was told to.
func start(cmd *exec.Cmd) (<-chan error, error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	return ended, <-started
}

// talk tells the child its job, and that it is interrupted.
func talk(ctx context.Context, w *os.File, job []byte, over <-chan struct{}, cmd *exec.Cmd) {
	if _, err := w.Write(append(job, '\n')); err != nil {
		return // it has died; who listens says why
	}
	select {
	case <-over:
		return
	case <-ctx.Done():
	}
	if _, err := w.WriteString(wordCancel + "\n"); err != nil {
		return
	}
	select {
	case <-over:
	case <-time.After(patience):
		_ = cmd.Process.Kill() // that it has ended meanwhile is no error
	}
}

// listen reads to the child's last message, or to its death.
func listen(r *os.File, sink backend.Sink) (*outcome, error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<16), longestLine)
	var last *outcome
	for s.Scan() {
		var m message
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("reading what it sees: %w", err)
		}
		o, err := m.deliver(sink)
		if err != nil {
			return nil, err
		}
		if o != nil {
			last = o
		}
	}
	return last, s.Err()
}

// tail keeps the end of what a program wrote.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailLength = 2000

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - tailLength; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

// said is the end of what it wrote, as the end of a sentence.
func (t *tail) said() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(bytes.ToValidUTF8(t.b, nil))); text != "" {
		return "; it said: " + text
	}
	return ""
}
