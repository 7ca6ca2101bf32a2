//go:build tools

// Package tools pins the istiod and the istioctl that drills are rehearsed with:
// unmodified, of Istio's 1.31 branch. See hack/maketools.
package tools

import (
	_ "istio.io/istio/istioctl/cmd/istioctl"
	_ "istio.io/istio/pilot/cmd/pilot-agent"
	_ "istio.io/istio/pilot/cmd/pilot-discovery"
)
