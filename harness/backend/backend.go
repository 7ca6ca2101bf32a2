// Package backend is the seam between a schedule and whatever plays it.
//
//	if missing := b.Missing(s); len(missing) > 0 { ... }   // cannot play it, and why
//	var c backend.Collector
//	err := b.Play(ctx, s, &c)
//	c.Trace                                                // what happened
//
// The backends are in the packages below this one; backendtest is the test
// that each of them passes.
package backend

import (
	"context"
	"sync"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// A Backend plays a schedule and hands what it sees to the sink as it happens.
type Backend interface {
	// Name is the word after --on.
	Name() string
	// Missing lists what the schedule needs and this backend lacks; empty: it can play.
	Missing(*schedule.Schedule) []Missing
	// Play plays the schedule to its end, or until the context is done: then
	// it undoes what it did and returns the context's error. An error is
	// something that broke underneath, not a drill that went wrong.
	Play(context.Context, *schedule.Schedule, Sink) error
}

// Missing is a feature that a backend lacks.
type Missing struct {
	Feature string `json:"feature"` // blackhole, several addresses for a name, ...
	Why     string `json:"why"`
}

// RejectedError is a configuration that a control plane or a proxy refuses. It ends the
// run: of the configuration of 0 s, before any request is sent.
type RejectedError struct {
	By     string `json:"by"`     // istiod, Envoy
	Reason string `json:"reason"` // in its own words
}

func (e *RejectedError) Error() string { return e.By + " refuses the configuration: " + e.Reason }

// A Sink takes what a backend sees. Its methods may be called from several goroutines.
type Sink interface {
	Event(trace.Event)
	// Evidence is a file of the run's evidence folder: a config dump, a log.
	Evidence(name string, data []byte)
	// Undo is written down before a change is made that outlives the process.
	Undo(Undo) error
}

// Undone is the entry with which a backend says that nothing is left to undo.
const Undone = "undone"

// Undo is one entry of the undo journal.
type Undo struct {
	What string            `json:"what"` // kind of change
	Args map[string]string `json:"args,omitempty"`
}

// Collector is a Sink that keeps everything in memory.
type Collector struct {
	mu         sync.Mutex
	Trace      trace.Trace
	Files      map[string][]byte
	Journal    []Undo
	OnEvent    func(trace.Event)              // called with each event, if set
	OnUndo     func(Undo) error               // called before an entry is kept, if set
	OnEvidence func(name string, data []byte) // called with each file, if set
}

// Event keeps the event.
func (c *Collector) Event(e trace.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Trace.Add(e)
	if c.OnEvent != nil {
		c.OnEvent(e)
	}
}

// Evidence keeps the file.
func (c *Collector) Evidence(name string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Files == nil {
		c.Files = map[string][]byte{}
	}
	c.Files[name] = data
	if c.OnEvidence != nil {
		c.OnEvidence(name, data)
	}
}

// Undo keeps the entry.
func (c *Collector) Undo(u Undo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.OnUndo != nil {
		if err := c.OnUndo(u); err != nil {
			return err
		}
	}
	c.Journal = append(c.Journal, u)
	return nil
}
