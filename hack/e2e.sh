#!/usr/bin/env bash
# The Ginkgo suite: scenarios x backends. Says first which backends run.
# OUT is where the reports go; E2E_REQUIRE names backends that have to run, E2E_ONLY the
# only ones to play on, E2E_SCENARIOS the files or folders to play. FAILDRILL_E2E_CONTEXT, as CONTEXT/NAMESPACE, names
# a namespace for drills of a cluster of your own, and FAILDRILL_E2E_PROFILE the releases there.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out/e2e}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# Built first and run by itself: go test would keep the output to its end.
go test -c -o "$out/e2e.test" ./e2e
CGO_ENABLED=0 go build -o "$out/" ./harness/cmd/... ./mockupstreams/cmd/mockupstream
cd e2e
exec "$out/e2e.test" -e2e -require "${E2E_REQUIRE:-}" -only "${E2E_ONLY:-}" -scenarios "${E2E_SCENARIOS:-scenarios}" -runs "$out/runs" -reports "$out" -test.timeout "${E2E_TIMEOUT:-20m}" \
	-ginkgo.junit-report "$out/junit.xml" -ginkgo.no-color "$@"
