#!/usr/bin/env bash
# Builds the programs of a cluster, which tests start, from their modules, unless
# that is done already, and prints the folder they are in. Takes several minutes
# the first time. Safe to repeat, to interrupt, and to run side by side.
#
#	build.sh            etcd and kube-apiserver
#	build.sh cluster    what a node needs, too, and kubectl
set -euo pipefail
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
sum=$(cat go.mod go.sum build.sh | sha256sum | cut -c1-12)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/streamspace/kubernetes-$version-$sum
mkdir -p "$folder"

exec 9>"$folder/lock"
flock 9
numbers=${version#v}
flags='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=${numbers%%.*} -X $package.gitMinor=$(cut -d. -f2 <<<"$numbers")"
  flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=0000000 -X $package.buildDate=1970-01-01T00:00:00Z"
done

packages=(go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver)
if [ "${1:-}" = cluster ]; then
  packages+=(k8s.io/kubernetes/cmd/{kube-controller-manager,kube-scheduler,kube-proxy,kubelet,kubectl})
fi
for package in "${packages[@]}"; do
  program=${package##*/}
  [ "$program" != v3 ] || program=etcd
  if ! [ -e "$folder/$program" ]; then
    echo "Building $program $version for tests: this takes minutes, once." >&2
    go build -trimpath -ldflags "$flags" -o "$folder/$program.new" "$package"
    mv "$folder/$program.new" "$folder/$program"
  fi
done
echo "$folder"
