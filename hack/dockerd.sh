#!/usr/bin/env bash
# Docker for a machine that has none running: Debian's docker.io, started by hand.
#
#	hack/dockerd.sh start    # installs it if need be; returns when it answers
#	hack/dockerd.sh stop     # ends the one that this script started
#
# Where the machine lacks CAP_SYS_RESOURCE, containers run through hack/airgap/runc.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${XDG_CACHE_HOME:-$HOME/.cache}/faildrill/dockerd
pidfile=$state/pid

start() {
	if timeout 10 docker info >/dev/null 2>&1; then
		echo "Docker runs already"
		return
	fi
	if ! command -v dockerd >/dev/null; then
		apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io iptables runc >/dev/null
	fi
	mkdir -p "$state"
	(cd hack/airgap && CGO_ENABLED=0 go build -o "$state/runc" ./runc)
	setsid dockerd --data-root "$state/data" --pidfile "$pidfile" --add-runtime "faildrill=$state/runc" --default-runtime faildrill >"$state/log" 2>&1 </dev/null &
	for _ in $(seq 60); do
		if timeout 10 docker info >/dev/null 2>&1; then
			echo "Docker runs; its log is $state/log"
			return
		fi
		sleep 0.5
	done
	echo "Docker does not start: $(tail -n 3 "$state/log" | tr '\n' ' ')" >&2
	return 1
}

stop() {
	if [ ! -s "$pidfile" ]; then
		echo "this script has started none"
		return
	fi
	local pid
	pid=$(cat "$pidfile")
	kill "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
	rm -f "$pidfile"
}

case "${1:-}" in
start | stop) "$1" ;;
*)
	echo "usage: hack/dockerd.sh start|stop" >&2
	exit 2
	;;
esac
