#!/usr/bin/env bash
# Runs every fuzz test for FUZZTIME, and draws new cases for the property tests.
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
echo "== property tests, new cases"
grep -rl 'pgregory.net/rapid' --include='*_test.go' . | xargs -n 1 dirname | sort -u | RAPID_SEED=0 xargs go test -count=1 -p 1
