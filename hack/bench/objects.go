package main

import (
	"fmt"
	"strings"
)

// manyObjects is n hosts of two regions each with a rule for every one of them:
// 2n Istio objects.
func manyObjects(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db-%[1]d}
spec:
  hosts: [db-%[1]d.example.com]
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints:
  - {address: db-%[1]d.us-east-1.example.com, locality: us-east1, ports: {http: 80}}
  - {address: db-%[1]d.us-west-1.example.com, locality: us-west, ports: {http: 80}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db-%[1]d}
spec:
  host: db-%[1]d.example.com
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1, interval: 15s, baseEjectionTime: 1m, maxEjectionPercent: 100}
`, i)
	}
	return b.String()
}
