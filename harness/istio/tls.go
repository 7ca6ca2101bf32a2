package istio

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

const configMap = "configmap://"

// tlsContext is the TLS that the cluster begins; nil: plain text.
// pilot/pkg/networking/core/cluster_tls.go: buildUpstreamTLSSettings, buildUpstreamClusterTLSContext.
//
// Rule: RuleTLSMode: without a mode, hosts outside the mesh get plain text.
func (t *translator) tlsContext(s *service, port *networking.ServicePort, subset string, kind xds.DiscoveryType, p policy) *xds.TLS {
	switch {
	case p.tls == nil:
		return t.autoTLS(s, port, subset, kind, p.dialled)
	case p.tls.Mode == networking.ClientTLSSettings_DISABLE:
		return nil
	case p.tls.Mode == networking.ClientTLSSettings_ISTIO_MUTUAL:
		sans := p.tls.SubjectAltNames
		if sans == nil {
			sans = t.accounts(s)
		}
		return meshTLS(p.tls.Sni, sans, port.Number, subset, s.host)
	}
	return t.originated(s, p)
}

// meshTLS has the certificates of the mesh on both sides.
//
// Rule: RuleTLSMesh, cluster_tls.go: buildIstioMutualTLS.
func meshTLS(sni string, sans []string, port uint32, subset, host string) *xds.TLS {
	if sni == "" {
		sni = fmt.Sprintf("outbound_.%d_.%s_.%s", port, subset, host)
	}
	return &xds.TLS{SNI: sni, SANs: sans, CA: xds.MeshRoot, Certificate: xds.MeshCertificate}
}

// autoTLS is what the mesh does by itself: endpoints with a sidecar get mutual
// TLS, the others plain text.
//
// Rule: RuleTLSAuto, cluster_tls.go: buildUpstreamTLSSettings,
// push_context.go: BestEffortInferServiceMTLSMode. Where the policy itself has
// requests pass to the address that was dialled, it is all endpoints of the
// service or none; a subset whose rule does so is not looked at.
func (t *translator) autoTLS(s *service, port *networking.ServicePort, subset string, kind xds.DiscoveryType, dialled bool) *xds.TLS {
	if s.external {
		return nil
	}
	if dialled {
		instances := s.endpointsOf(port, kind, nil)
		without := func(in instance) bool { return in.tlsMode != xds.TLSModeIstio }
		if len(instances) == 0 || slices.ContainsFunc(instances, without) {
			return nil
		}
	}
	context := meshTLS("", t.accounts(s), port.Number, subset, s.host)
	context.Match = kind != xds.OriginalDst
	return context
}

// originated is TLS to a server that the mesh does not know: SIMPLE and MUTUAL.
// cluster_tls.go: constructUpstreamTLS, setAutoSniAndAutoSanValidation.
//
// Rule: RuleTLSNames: names of the rule go before names of the ServiceEntry; the
// Host of the request has to be a name too unless the rule has sni or names.
// Rule: RuleTLSCredential: a sidecar gets no secret of the cluster, and then no
// TLS, unless the rule selects workloads.
func (t *translator) originated(s *service, p policy) *xds.TLS {
	rule := p.tls
	secret := rule.CredentialName != "" && !strings.HasPrefix(rule.CredentialName, configMap)
	if secret && !p.selects {
		return nil
	}
	skip := rule.InsecureSkipVerify.GetValue()
	context := &xds.TLS{SNI: rule.Sni, AutoSNI: rule.Sni == "" && t.v.has(RuleTLSByDefault)}
	context.AutoSANValidation = context.AutoSNI && len(rule.SubjectAltNames) == 0 && !skip
	if rule.Mode == networking.ClientTLSSettings_MUTUAL {
		context.Certificate = xds.FileCert + rule.ClientCertificate + "~" + rule.PrivateKey
		if secret {
			context.Certificate = rule.CredentialName
		}
	}
	if skip {
		return context
	}
	context.CA = t.trusted(rule)
	if context.CA != "" {
		context.SANs = rule.SubjectAltNames
		if len(context.SANs) == 0 {
			context.SANs = t.accounts(s)
		}
	}
	return context
}

// trusted names the CAs that a certificate is verified with; "": it is not.
//
// Rule: RuleTLSByDefault, release notes of 1.21: the CAs of the operating system,
// if the rule names none.
func (t *translator) trusted(rule *networking.ClientTLSSettings) string {
	switch {
	case rule.CredentialName != "":
		return rule.CredentialName + "-cacert"
	case rule.CaCertificates != "":
		return xds.FileRoot + rule.CaCertificates
	case t.v.has(RuleTLSByDefault):
		return xds.SystemRoot
	}
	return ""
}

// accounts are the names that certificates of the service are expected to have:
// those of its first ServiceEntry and the identities of all endpoints, sorted.
//
// Rule: RuleTLSAccounts, push_context.go: addServiceAccounts.
func (t *translator) accounts(s *service) []string {
	list := slices.Clone(entryOf(s.head).SubjectAltNames)
	for _, in := range s.instances {
		if in.account != "" {
			list = append(list, "spiffe://"+t.mesh.TrustDomain+"/ns/"+in.entry.Namespace+"/sa/"+in.account)
		}
	}
	return sorted(unique(list))
}

// tlsModeOf says whether an endpoint has a sidecar that ends mutual TLS.
// Rule: RuleTLSModeLabel, serviceentry/conversion.go: getTLSModeFromWorkloadEntry.
func tlsModeOf(e *networking.WorkloadEntry) string {
	if mode, ok := e.Labels["security.istio.io/tlsMode"]; ok {
		return mode
	}
	if e.ServiceAccount != "" {
		return xds.TLSModeIstio
	}
	return ""
}

// sentTLSMode is the mode that an endpoint is sent with: a rule of another mode takes it away.
// pilot/pkg/xds/endpoints/mtls_checker.go: checkMtlsEnabled.
func sentTLSMode(rule *networking.ClientTLSSettings, in instance) string {
	if in.tlsMode != xds.TLSModeIstio || rule != nil && rule.Mode != networking.ClientTLSSettings_ISTIO_MUTUAL {
		return ""
	}
	return xds.TLSModeIstio
}
