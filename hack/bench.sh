#!/usr/bin/env bash
# Measures process start to exit of `plan` beside a bare cobra program: medians
# of ROUNDS rounds with one of each a round, so that a slow machine slows both.
# Then the Go benchmarks, six counts each.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/faildrill ./harness/cmd/faildrill
go build -o bin/barecobra ./hack/barecobra
go run ./hack/startup -rounds "${ROUNDS:-25}"
if [ "${1-}" != "-startup" ]; then
	go test -run '^$' -bench . -count "${COUNT:-6}" ./harness/engine/... ./harness/probe ./harness/scenario ./harness/istio
fi
