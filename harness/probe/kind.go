package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// A Kind says in a word how a request without a whole answer ended.
type Kind string

// The kinds of errors. An answer that broke off has its status and one of these.
const (
	KindNone        Kind = ""            // no error
	KindRefused     Kind = "refused"     // nothing listens
	KindUnreachable Kind = "unreachable" // no route to the host or network
	KindDNS         Kind = "dns"         // the name did not resolve
	KindReset       Kind = "reset"       // the connection was reset
	KindEOF         Kind = "eof"         // the connection was closed before the end of the answer
	KindTimeout     Kind = "timeout"     // connecting or the answer took too long
	KindCanceled    Kind = "canceled"    // the caller gave up
	KindOther       Kind = "other"       // anything else; the error tells
)

// KindOf sorts the error of a request.
func KindOf(err error) Kind {
	var dns *net.DNSError
	var network net.Error
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return KindNone
	case is(context.Canceled):
		return KindCanceled
	case errors.As(err, &dns):
		return KindDNS
	case is(context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return KindTimeout
	case is(syscall.ECONNREFUSED):
		return KindRefused
	case is(syscall.EHOSTUNREACH, syscall.ENETUNREACH):
		return KindUnreachable
	case is(syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED):
		return KindReset
	case is(io.EOF, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "server closed idle connection"):
		// net/http does not export the last one.
		return KindEOF
	}
	return KindOther
}
