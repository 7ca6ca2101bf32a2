package inside

import (
	"fmt"
	"net"

	"github.com/faildrill/faildrill/harness/sds"
	"github.com/faildrill/faildrill/harness/xds"
)

// handOut serves what a client's proxy asks for by SDS: every CA is the trusted
// one, and every certificate of its own is the client's identity in the mesh.
func (p *player) handOut(x *proxy) error {
	client := &p.s.Clients[x.Client]
	namespace := client.Namespace
	if namespace == "" {
		namespace = "default"
	}
	own, err := p.certificates.Client(fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/%s", namespace, client.Name))
	if err != nil {
		return err
	}
	secrets := sds.Secrets{
		xds.MeshRoot: sds.CA(p.certificates.PEM()), xds.MeshCertificate: sds.Certificate(own.Chain, own.Key),
	}
	for _, cs := range p.s.Configs {
		for i := range cs[x.Client].Clusters {
			t := cs[x.Client].Clusters[i].TLS
			if t == nil {
				continue
			}
			if t.CA != "" {
				secrets[t.CA] = sds.CA(p.certificates.PEM())
			}
			if t.Certificate != "" {
				secrets[t.Certificate] = sds.Certificate(own.Chain, own.Key)
			}
		}
	}
	ln, err := net.Listen("unix", x.sdsPath())
	if err != nil {
		return fmt.Errorf("handing out certificates: %w", err)
	}
	x.sds = sds.Serve(ln, secrets)
	return nil
}

func (x *proxy) sdsPath() string { return x.path("sds.sock") }
