package probe

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPacers(t *testing.T) {
	for _, p := range []Pacer{Precise(), Timers()} {
		t.Run(p.Name(), func(t *testing.T) {
			end := p.Begin()
			defer end()
			until := time.Now().Add(70 * time.Millisecond) // longer than one sleep in the kernel
			if err := p.Wait(t.Context(), until); err != nil || time.Now().Before(until) {
				t.Errorf("got %v, %v before the instant", err, time.Until(until))
			}
			if err := p.Wait(t.Context(), until); err != nil {
				t.Errorf("an instant that has passed: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(10*time.Millisecond, cancel)
			if err := p.Wait(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: got %v", err)
			}
			if err := p.Wait(ctx, until); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled before: got %v", err)
			}
		})
	}
}
