#!/usr/bin/env bash
# Runs every fuzz test for FUZZTIME.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-20s}
grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do
	dir=$(dirname "$file")
	grep -oE '^func Fuzz[A-Za-z0-9]+' "$file" | sed 's/^func //' | while read -r name; do
		echo "== $dir $name"
		go test "$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 5x
	done
done
