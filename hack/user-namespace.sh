#!/usr/bin/env bash
# Makes of the kind cluster one that is somebody else's: a namespace user-drill with sidecars, an account that has
# the Role of drills there and no other right, and a kubeconfig for it whose context is staging.
#   hack/user-namespace.sh FAILDRILL KUBECONFIG
set -euo pipefail
faildrill=$1 kubeconfig=$2 namespace=user-drill
kubectl() { docker exec -i faildrill-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=30s "$@"; }
account() { # object, as kubectl apply has it
	kubectl create "$@" --save-config --dry-run=client --output yaml | kubectl apply --filename - >/dev/null 2>&1
}
account namespace "$namespace"
kubectl label namespace "$namespace" istio-injection=enabled --overwrite >/dev/null
account serviceaccount faildrill --namespace "$namespace"
"$faildrill" doctor --role --namespace "$namespace" | kubectl apply --filename - >/dev/null
token=$(kubectl create token faildrill --namespace "$namespace" --duration 8h)
admin=${XDG_CACHE_HOME:-$HOME/.cache}/faildrill/kind/kubeconfig
server=$(sed -n 's/^ *server: //p' "$admin") ca=$(sed -n 's/^ *certificate-authority-data: //p' "$admin")
umask 077
cat >"$kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "$server", certificate-authority-data: "$ca"}}]
users: [{name: user, user: {token: "$token"}}]
contexts: [{name: staging, context: {cluster: cluster, user: user}}]
EOF
echo "context staging of $kubeconfig may play drills in namespace $namespace"
