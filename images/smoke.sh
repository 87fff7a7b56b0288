#!/usr/bin/env bash
# Boots desktop images that images/build.sh has built, and looks at their pictures.
# usage: images/smoke.sh [APPLICATION…|server]        none: every one that is there
# REGISTRY, TAG, ARCH and OUT as for build.sh; the pictures go to OUT.
set -euo pipefail
cd "$(dirname "$0")/.."

REGISTRY=${REGISTRY:-ghcr.io/streamspace} TAG=${TAG:-latest} OUT=${OUT:-bin/images} ARCH=${ARCH:-$(go env GOARCH)}
store=${XDG_CACHE_HOME:-$HOME/.cache}/streamspace/containers
buildah=(buildah --root "$store" --runroot "$store/run" --storage-driver overlay)
# Podman and buildah keep images of other architectures beside each other under names of their own.
names=("$@")
[ "${#names[@]}" -gt 0 ] || mapfile -t names < <(cd "$OUT/templates" && ls | sed 's/\.yaml$//')

mkdir -p "$OUT"
test=$(mktemp)
config=$(mktemp)
container=
cleanup() {
  rm -f "$test" "$config"
  [ -z "$container" ] || "${buildah[@]}" rm "$container" >/dev/null
}
trap cleanup EXIT
go test -c -o "$test" ./images/boot

# server: it starts without a shell, and finds each library that it may open: the loader
# complains of those that it cannot load before the program.
boot_server() {
  local root=$1 out
  out=$(bwrap --ro-bind "$root" / --proc /proc --dev /dev --tmpfs /tmp --unshare-all --uid 65532 --gid 65532 --cap-drop ALL --clearenv \
    --setenv LD_PRELOAD "libturbojpeg.so.0 libvpx.so.9 libyuv.so.0 libaom.so.3 libnss_dns.so.2" /usr/local/bin/streamspace version 2>&1) || return 1
  echo "$out"
  [ "${out#streamspace }" != "$out" ] && [ "$(wc -l <<<"$out")" = 1 ] && [ -s "$root/etc/ssl/certs/ca-certificates.crt" ]
}

failed=()
for name in "${names[@]}"; do
  for arch in ${ARCH//,/ }; do
    if [ "$name" = server ]; then
      container=$("${buildah[@]}" from --pull=false --arch "$arch" "$REGISTRY/streamspace:$TAG-$arch")
      echo "== server $arch"
      boot_server "$("${buildah[@]}" mount "$container")" || failed+=("$name $arch")
      "${buildah[@]}" rm "$container" >/dev/null
      container=
      continue
    fi
    container=$("${buildah[@]}" from --pull=false --arch "$arch" "$REGISTRY/desktop-$name:$TAG-$arch")
    "${buildah[@]}" inspect --type image "$REGISTRY/desktop-$name:$TAG-$arch" >"$config"
    echo "== $name $arch"
    STREAMSPACE_BOOT_ROOT=$("${buildah[@]}" mount "$container") STREAMSPACE_BOOT_CONFIG=$config STREAMSPACE_BOOT_TEMPLATE=$(realpath "$OUT/templates/$name.yaml") \
      STREAMSPACE_BOOT_PICTURE=$(realpath "$OUT")/$name-$arch.png \
      "$test" -test.v -test.timeout 10m || failed+=("$name $arch")
    "${buildah[@]}" rm "$container" >/dev/null
    container=
  done
done
[ "${#failed[@]}" = 0 ] || { printf 'images/smoke.sh: did not boot: %s\n' "${failed[@]}" >&2; exit 1; }
