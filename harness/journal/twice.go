package journal

import (
	"context"
	"time"
)

// again is when somebody who undoes looks a second time.
const again = 500 * time.Millisecond

// Twice undoes, and again a little later: what a killed run had asked for may come after
// the first time.
func Twice(ctx context.Context, undo func() error) error {
	if err := undo(); err != nil {
		return err
	}
	select {
	case <-time.After(again):
	case <-ctx.Done():
		return ctx.Err()
	}
	return undo()
}
