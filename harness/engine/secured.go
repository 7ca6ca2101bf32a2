package engine

import (
	"github.com/faildrill/faildrill/harness/engine/tls"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// serves notes which Host the requests to the cluster have: connections with TLS
// are kept apart by it.
//
// Rule: RuleTLSHost.
func (c *clusterState) serves(r *xds.Route, host string) {
	if r != nil && r.Cluster == c.cfg.Name && r.HostRewrite != "" {
		host = r.HostRewrite
	}
	if c.host != "" && c.host != host && c.cfg.TLS != nil {
		for h := range c.hosts {
			c.leave(int32(h))
		}
	}
	c.host = host
}

// handshake is how a connection to the host begins now.
//
// Rule: RuleTLSMatch.
func (w *world) handshake(c *clusterState, h *Host) tls.Outcome {
	server := tls.Server{Plain: true}
	if u := w.upstreamOf(h); u != nil {
		server = u.server(w.now, h.Port)
	}
	return tls.Handshake(c.cfg.TLS.For(h.TLSMode), c.host, &server)
}

// admitted reports whether the upstream reads the request at all; otherwise it
// says what becomes of it.
//
// Rule: RuleTLSClientCertificate.
func (w *world) admitted(r *request, h *Host) bool {
	switch o := w.handshake(r.c, h); o {
	case tls.CertificateWanted:
		r.answer, r.reason = answer{reset: true}, o.Reason()
		return false
	case tls.PlainText:
		r.answer = answer{status: 400}
		return false
	}
	return true
}

// server is the TLS of a port now. Of several faults each adds what it does.
func (u *upstream) server(now int64, port uint32) tls.Server {
	if !u.def.TLS.Speaks(port) {
		return tls.Server{Plain: true}
	}
	s := tls.Server{Names: u.def.TLS.Names, ClientCertificate: u.def.TLS.ClientCertificate}
	for _, f := range u.faults {
		if f.Behaviour != schedule.TLSFault || !f.active(now) || f.Port != 0 && f.Port != port {
			continue
		}
		switch f.TLS {
		case schedule.TLSExpired:
			s.Expired = true
		case schedule.TLSWrongName:
			s.Names = wrongNames
		case schedule.TLSUnknownIssuer:
			s.UnknownIssuer = true
		case schedule.TLSClientCertificate:
			s.ClientCertificate = true
		case schedule.TLSPlaintext:
			s.Plain = true
		}
	}
	return s
}

var wrongNames = []string{schedule.WrongName}
