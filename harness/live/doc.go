// Package live drives a schedule by the wall clock. What differs between the
// live backends - how an environment is built, a step carried out, a request
// sent - is a Player; what they share is here: steps and observations at their
// offsets, witnesses, open-loop load, and a watch on the machine itself.
//
//	type player struct{ ... }                      // implements live.Player
//	func (b Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
//		_, err := live.Play(ctx, s, newPlayer(s, sink), sink)
//		return err
//	}
//
// Order: at one instant a step comes first, then the observation, then the
// requests. A request that is due at or after a step's offset is sent after the
// step was carried out, however late that was; one that is due before it is, if
// the machine lets it within 50 ms, answered before. So for requests, which are
// told apart by when they were due, a step takes effect at its offset.
//
// Events reach the sink as they become known: a request when it ends, a step
// when somebody has seen it take effect. backend.InOrder sorts them.
//
// It leaves out every decision of a proxy, and all judgement of what happens.
package live
