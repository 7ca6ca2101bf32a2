package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	return run(ctx, cmd, job, sink, nil)
}

// RunAndKeep is Run of a child that may go on after its play: before it does, put is
// told its process. The child is then on its own; the command must not
// tie it to this process.
func RunAndKeep(ctx context.Context, cmd *exec.Cmd, job any, sink backend.Sink, put func(pid int) error) error {
	return run(ctx, cmd, job, sink, put)
}

func run(ctx context.Context, cmd *exec.Cmd, job any, sink backend.Sink, put func(pid int) error) error {
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
	said, err := newTail(cmd, put != nil)
	if err != nil {
		return errors.Join(err, jobR.Close(), jobW.Close(), eventsR.Close(), eventsW.Close())
	}
	defer said.close()
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
	silent := sync.OnceFunc(func() {
		close(over)
		talking.Wait()
	})
	defer silent()
	talking.Go(func() { talk(ctx, jobW, line, over, cmd) })

	result, readErr := listen(eventsR, sink, func() error {
		_, err := jobW.WriteString(wordWritten + "\n")
		return err
	})
	if readErr != nil {
		_ = cmd.Process.Kill() // it may wait for somebody to read; that it has ended is no error
	}
	if put != nil && readErr == nil && result != nil && result.Rests {
		silent()
		if ctx.Err() == nil {
			return keep(put, jobW, cmd, ended)
		}
		_ = jobW.Close() // that ends it; it has been the last word
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
	return fmt.Errorf("%s died: %v%s", cmd.Path, waitErr, said.text())
}

// keep lets the child go on by itself.
func keep(put func(pid int) error, jobW *os.File, cmd *exec.Cmd, ended <-chan error) error {
	err := put(cmd.Process.Pid)
	if err == nil {
		_, err = jobW.WriteString(wordKeep + "\n")
	}
	if err != nil {
		_ = cmd.Process.Kill() // that it has ended meanwhile is no error
		<-ended
	}
	return err
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
func listen(r *os.File, sink backend.Sink, written func() error) (*outcome, error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<16), longestLine)
	var last *outcome
	for s.Scan() {
		var m message
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("reading what it sees: %w", err)
		}
		o, err := m.deliver(sink, written)
		if err != nil {
			return nil, err
		}
		if o != nil {
			last = o
		}
	}
	return last, s.Err()
}

// tail is the end of what a program writes to its standard output and error.
type tail interface {
	text() string // as the end of a sentence
	close()
}

// tailLength is in bytes.
const tailLength = 2000

// newTail listens to a command. A child that may outlive this process writes to a
// file without a name instead: nobody would be there to read.
func newTail(cmd *exec.Cmd, outlives bool) (tail, error) {
	if !outlives {
		t := &memory{}
		cmd.Stdout, cmd.Stderr = t, t
		return t, nil
	}
	f, err := os.CreateTemp("", "faildrill-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	cmd.Stdout, cmd.Stderr = f, f
	return file{f}, nil
}

func sentence(b []byte) string {
	if text := strings.TrimSpace(string(bytes.ToValidUTF8(b, nil))); text != "" {
		return "; it said: " + text
	}
	return ""
}

// memory keeps what was written last.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (t *memory) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - tailLength; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *memory) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return sentence(t.b)
}

func (*memory) close() {}

// file is what was written to a file.
type file struct{ *os.File }

func (t file) text() string {
	i, err := t.Stat()
	if err != nil {
		return ""
	}
	from := max(0, i.Size()-tailLength)
	b, _ := io.ReadAll(io.NewSectionReader(t, from, tailLength)) // a part is better than nothing
	return sentence(b)
}

func (t file) close() { _ = t.Close() } // it is gone with that
