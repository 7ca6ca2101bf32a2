package istiod

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// process is a child that writes to a log file.
type process struct {
	pid  int
	log  string        // path
	done chan struct{} // closed when it has exited
	err  error         // of its exit; read after done
}

// startProcess starts the command with its output appended to the log.
//
// The parent-death signal belongs to the thread that forks, so that thread is
// kept for as long as the child lives: it would otherwise take the child along
// when it ends.
func startProcess(cmd *exec.Cmd, log string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	isolate(cmd)
	p := &process{log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop kills the child and what it started, and waits until it has gone.
func (p *process) stop() {
	select {
	case <-p.done:
		return
	default:
	}
	kill(p.pid)
	<-p.done
}

// exit says how the child ended; "" while it runs.
func (p *process) exit() string {
	select {
	case <-p.done:
	default:
		return ""
	}
	var e *exec.ExitError
	if p.err != nil && !errors.As(p.err, &e) {
		return p.err.Error()
	}
	if e != nil {
		return e.Error()
	}
	return "exit status 0"
}

// logSize is where the log ends now.
func (p *process) logSize() int64 {
	info, err := os.Stat(p.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// logFrom reads the log from the offset; what cannot be read is empty.
func (p *process) logFrom(offset int64) string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := f.Seek(offset, 0); err != nil {
		return ""
	}
	_, _ = b.ReadFrom(f) // a part of a log is better than none
	return b.String()
}

const (
	tailLines = 5
	tailBytes = 300 // of one line
)

// tail is the end of the log in one line.
func (p *process) tail() string {
	lines := strings.Split(strings.TrimSpace(p.logFrom(0)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for i, l := range lines {
		l = strings.Join(strings.Fields(l), " ")
		if len(l) > tailBytes {
			l = l[:tailBytes] + "..."
		}
		lines[i] = l
	}
	if s := strings.Join(lines, " | "); s != "" {
		return s
	}
	return "(nothing)"
}
