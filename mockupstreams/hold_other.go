//go:build !(linux || darwin || freebsd)

package mockupstreams

import (
	"errors"
	"io"
	"net"
)

// holdPort cannot keep the number here: while a port refuses, others may take it.
func holdPort(*net.TCPAddr) (io.Closer, error) { return nil, errors.ErrUnsupported }
