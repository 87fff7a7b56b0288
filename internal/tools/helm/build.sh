#!/usr/bin/env bash
# Builds helm, with which tests render the chart, from its module, unless that is
# done already, and prints where it is. Takes two minutes the first time. Safe to
# repeat, to interrupt, and to run side by side.
set -euo pipefail
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

version=$(go list -m -f '{{.Version}}' helm.sh/helm/v4)
sum=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-12)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/streamspace/helm-$version-$sum
mkdir -p "$folder"

exec 9>"$folder/lock"
flock 9
if ! [ -e "$folder/complete" ]; then
  echo "Building helm $version for tests: this takes two minutes, once." >&2
  # The same numbers that helm's own build stamps: without them, charts are rendered
  # for a Kubernetes of its own choice.
  client=$(go list -m -f '{{.Version}}' k8s.io/client-go | cut -d. -f2)
  chart=helm.sh/helm/v4/pkg/chart
  go build -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version \
    -X $chart/common.k8sVersionMajor=1 -X $chart/common.k8sVersionMinor=$client" -o "$folder/helm" helm.sh/helm/v4/cmd/helm
  touch "$folder/complete"
fi
echo "$folder/helm"
