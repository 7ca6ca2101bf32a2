#!/usr/bin/env bash
# The Ginkgo suite: scenarios x backends. Says first which backends run.
# OUT is where the reports go; E2E_REQUIRE names backends that have to run.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out/e2e}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# Built first and run by itself: go test would keep the output to its end.
go test -c -o "$out/e2e.test" ./e2e
go build -o "$out/faildrill-live" ./harness/cmd/faildrill-live
cd e2e
exec "$out/e2e.test" -e2e -require "${E2E_REQUIRE:-}" -runs "$out/runs" -test.timeout "${E2E_TIMEOUT:-20m}" \
	-ginkgo.junit-report "$out/junit.xml" -ginkgo.no-color "$@"
