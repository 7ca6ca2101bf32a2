//go:build !linux

package mockupstreams

import (
	"errors"
	"net"
)

// losesSYNs says whether this system can have a listener that answers no SYN.
const losesSYNs = false

func deafen(uintptr) error        { return errors.ErrUnsupported }
func undeafen(net.Listener) error { return errors.ErrUnsupported }
