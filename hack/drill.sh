#!/usr/bin/env bash
# The main job in two commands: predict the recipe as published, then rehearse
# it with the proposed change on real sockets, ten times as fast.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -ldflags='-s -w' -o bin/faildrill ./harness/cmd/faildrill
scenario=scenarios/failover/external-failover-invalid-port.yaml
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

echo "\$ faildrill plan $scenario"
bin/faildrill plan "$scenario"
echo
echo "\$ faildrill run --fix --on inproc --scale 10 --duration 90s $scenario"
bin/faildrill run --fix --on inproc --scale 10 --duration 90s --dir "$runs" "$scenario"
