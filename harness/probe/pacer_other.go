//go:build !linux

package probe

// Precise waits as precisely as this system can: here that is Timers.
func Precise() Pacer { return Timers() }
