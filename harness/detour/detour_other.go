//go:build !linux

package detour

import "errors"

// Set fails: there is no nftables here.
func (Rules) Set() error { return errors.ErrUnsupported }
