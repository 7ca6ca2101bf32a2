#!/usr/bin/env bash
# What has to be clean before a commit. Stale documents and the import rule are
# tests; they run here by name so that this is complete by itself.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { echo "== $*"; }

step gofmt
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	echo "not formatted: $unformatted" >&2
	exit 1
fi
step go vet
go vet ./...
step "go vet for macOS"
GOOS=darwin GOARCH=arm64 go vet ./...
step "modules of their own: benchmarks, images"
go -C hack/bench vet ./...
go -C hack/airgap vet ./...
go -C hack/airgap test ./...
step staticcheck
go run -modfile=hack/tools/staticcheck/go.mod honnef.co/go/tools/cmd/staticcheck ./...
step "go.mod is tidy and light"
go mod tidy -diff
if grep -qE '^\s*(istio\.io/istio|k8s\.io/kubernetes|replace) ' go.mod; then
	echo "go.mod must not need istio.io/istio or k8s.io/kubernetes, nor replace anything" >&2
	exit 1
fi
step "import rule, stale documents, goldens, kill list"
go test ./hack ./hack/killlist ./harness ./harness/... ./scenarios -run 'Import|Stale|Golden|Startup' -count=1
step shellcheck
if ! command -v shellcheck >/dev/null; then
	echo "shellcheck is not installed: apt-get install shellcheck" >&2
	exit 1
fi
shellcheck hack/*.sh hack/airgap/node/pod-network .ci/run
