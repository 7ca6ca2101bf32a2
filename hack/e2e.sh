#!/usr/bin/env bash
# The Ginkgo suite: scenarios x backends. Says first which backends run.
# OUT is where the reports go.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-out/e2e}
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec go test ./e2e -v -count=1 -timeout "${E2E_TIMEOUT:-20m}" -args \
	-e2e -runs "$out/runs" -ginkgo.junit-report "$out/junit.xml" -ginkgo.no-color -ginkgo.succinct "$@"
