// Package model is the backend that predicts: the engine, in virtual time.
//
//	err := model.Backend{}.Play(ctx, schedule, sink)
package model

import (
	"context"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Backend plays schedules with the engine.
type Backend struct{}

var _ backend.Backend = Backend{}

// Name is model.
func (Backend) Name() string { return "model" }

// Missing is always empty: the model plays every schedule that can be made.
func (Backend) Missing(*schedule.Schedule) []backend.Missing { return nil }

// Play predicts the schedule and hands the trace to the sink, part by part.
func (Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return engine.Stream(s, func(e trace.Event) error {
		sink.Event(e)
		return ctx.Err()
	})
}
