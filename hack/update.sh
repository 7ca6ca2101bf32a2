#!/usr/bin/env bash
# Regenerates everything that is generated: goldens, the JSON schema, the format
# reference, the list of scenarios. Read the diff before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rlE 'flag\.Bool\("update"' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	echo "== $dir"
	go test "$dir" -count=1 -update
done
