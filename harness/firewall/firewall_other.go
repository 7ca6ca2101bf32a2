//go:build !linux

package firewall

import "errors"

// Set fails.
func (Rules) Set() error { return errors.ErrUnsupported }
