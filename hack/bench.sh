#!/usr/bin/env bash
# Measures what the README promises beside comparable programs, in one run:
# medians of six rounds, under five minutes. Arguments go to hack/bench (-h);
# ISTIOCTL names an istioctl to compare with. The packages' own benchmarks are
# run by go test -bench.
set -euo pipefail
cd "$(dirname "$0")/.."
go build -o bin/ ./harness/cmd/faildrill
go -C hack/bench build -o "$PWD/bin/" . ./barecobra
exec bin/faildrillbench "$@"
