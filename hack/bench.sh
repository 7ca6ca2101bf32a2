#!/usr/bin/env bash
# Measures what the README promises beside comparable programs, in one run:
# medians of six rounds, under five minutes. Arguments go to hack/bench (-h);
# ISTIOCTL names an istioctl to compare with. The packages' own benchmarks are
# run by go test -bench.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/ ./harness/cmd/faildrill
go -C hack/bench build -o "$PWD/bin/" . ./barecobra
if [[ " $* " == *" kind "* ]]; then # faildrill kind up beside kind's and Istio's own programs
	CGO_ENABLED=0 go build -o bin/ ./harness/cmd/... ./mockupstreams/cmd/mockupstream sigs.k8s.io/kind
fi
exec bin/faildrillbench "$@"
