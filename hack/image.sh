#!/usr/bin/env bash
# Builds the image that --on cluster names with --image, from the programs in bin/: hack/image.sh IMAGE
set -euo pipefail
cd "$(dirname "$0")/../bin"
context=$(mktemp -d)
trap 'rm -r "$context"' EXIT
cp faildrill-agent mockupstream "$context/"
cat >"$context/Dockerfile" <<EOF
FROM scratch
COPY faildrill-agent mockupstream /
USER 65532:65532
ENTRYPOINT ["/faildrill-agent"]
CMD ["sleep"]
EOF
docker build --quiet --tag "$1" "$context"
echo "built $1; push it where your cluster finds it, and name it with --image or FAILDRILL_IMAGE"
