package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/faildrill/faildrill/harness/trace"
)

// progress is one line on a terminal that says what is running. Off a terminal,
// and for the first second, it is silent.
type progress struct {
	w       io.Writer
	total   int
	mu      sync.Mutex
	running []string
	ended   int
	failed  int
	last    string
	shown   bool
	quit    chan struct{}
	gone    sync.WaitGroup
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{w: w, total: total, quit: make(chan struct{})}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.gone.Go(p.loop)
	}
	return p
}

func (p *progress) loop() {
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	start := time.Now()
	for {
		select {
		case <-p.quit:
			return
		case now := <-t.C:
			if now.Sub(start) > time.Second {
				p.show(now.Sub(start))
			}
		}
	}
}

func (p *progress) show(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("%d of %d done, %d not passed, %v: %s", p.ended, p.total, p.failed, d.Round(time.Second), strings.Join(p.running, ", "))
	if p.last != "" {
		line += " - " + p.last
	}
	if r := []rune(line); len(r) > 99 {
		line = string(r[:98]) + "…"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.shown = true
}

func (p *progress) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, name)
}

func (p *progress) done(name, verdict string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = slices.DeleteFunc(p.running, func(n string) bool { return n == name })
	p.ended++
	if verdict != "pass" {
		p.failed++
	}
}

// event keeps what was last heard of: endpoint changes and steps.
func (p *progress) event(e trace.Event) {
	var s string
	switch e := e.(type) {
	case trace.Change:
		s = fmt.Sprintf("%s at %.1f s", e.Event, e.At.Seconds())
	case trace.Step:
		s = fmt.Sprintf("%s at %.1f s", e.Name, e.At.Seconds())
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
}

func (p *progress) stop() {
	close(p.quit)
	p.gone.Wait()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
