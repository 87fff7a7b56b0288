#!/usr/bin/env bash
# Builds desktop images with buildah, from the catalog.
# usage: images/build.sh [APPLICATION…|server|host]        none: all, every base, and the server
#
# server is the product's own image, host the one for a machine with Docker (deploy/compose).
#
#   REGISTRY, TAG    what images are called (ghcr.io/streamspace, latest)
#   ARCH             architectures, with commas (this machine's); others run in qemu-user-static
#   FROM_PACKAGES    1: begin with packages of the distribution (mmdebstrap), 0: with its image from a registry; unset: 0 if there is a way to one
#   SNAPSHOT         20261101T000000Z: the distribution's packages as they were then
#   HOST_PACKAGES    applications in the image host, instead of those that its Containerfile names
#   TEMPLATE_DIR     a folder with files of your own
#   OUT              where archives, SBOMs and report.tsv go (bin/images)
#   REFRESH          1: packages as they are today also for bases that are there from an earlier build
#   PREPARE          1: make the build contexts and stop, for docker buildx bake
#   PUSH             1: to the registry too; COSIGN_KEY: signed with that key, the SBOM attested
#
# The same packages make the same layers, whoever builds them and when: what differs from
# build to build is removed or has the time SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."

REGISTRY=${REGISTRY:-ghcr.io/streamspace} TAG=${TAG:-latest} OUT=${OUT:-bin/images} PUSH=${PUSH:-} SNAPSHOT=${SNAPSHOT:-} COSIGN_KEY=${COSIGN_KEY:-}
ARCH=${ARCH:-$(go env GOARCH)}
# Fixed, and not the commit's: layers that did not change are the same in the next release.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}
store=${XDG_CACHE_HOME:-$HOME/.cache}/streamspace/containers
work=$OUT/build

need() { command -v "$1" >/dev/null || { echo "images/build.sh: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need buildah buildah
need skopeo skopeo
[ "$(id -u)" = 0 ] || { echo "images/build.sh: run it as root, or in 'buildah unshare'" >&2; exit 1; }

buildah=(buildah --root "$store" --runroot "$store/run" --storage-driver overlay)
bud() { "${buildah[@]}" bud --quiet --isolation chroot --format oci --timestamp "$SOURCE_DATE_EPOCH" --layers=false --tls-verify="${TLS_VERIFY:-true}" "$@"; }

# Programs of other architectures run in an emulator, if the kernel knows it.
for arch in ${ARCH//,/ }; do
  case $arch in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) echo "images/build.sh: ARCH: $arch is not amd64 or arm64" >&2; exit 2 ;; esac
  [ "$machine" != "$(uname -m)" ] || continue
  need "qemu-$machine-static" 'qemu-user-static binfmt-support'
  [ -e /proc/sys/fs/binfmt_misc/status ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e "/proc/sys/fs/binfmt_misc/qemu-$machine" ] || update-binfmts --enable "qemu-$machine"
done

# A registry that cannot be reached is known after seconds.
if [ -z "${FROM_PACKAGES:-}" ]; then
  FROM_PACKAGES=0
  timeout 20 skopeo inspect --raw docker://docker.io/library/debian:trixie-slim >/dev/null 2>&1 || FROM_PACKAGES=1
fi

mkdir -p "$OUT"
rm -rf "$work"
streamspace=${STREAMSPACE:-bin/streamspace}
[ -x "$streamspace" ] || { echo "images/build.sh: $streamspace is missing: run make build" >&2; exit 1; }
applications=() own=() debian=
for name in "$@"; do
  case $name in server | host) own+=("$name") ;; *) applications+=("$name") ;; esac
done
[ $# -gt 0 ] || own=(server)
"$streamspace" catalog recipes "$work" "${applications[@]}" --registry "$REGISTRY" --tag "$TAG" ${TEMPLATE_DIR:+--template-dir "$TEMPLATE_DIR"}
cp -r "$work/templates" "$OUT/"
if [ $# -gt 0 ] && [ "${#applications[@]}" = 0 ]; then
  # Of all the recipes, only what these are made of: the server has a system of its own.
  debian=$(awk '$1 == "base/debian" {print $3}' "$work/images")
  wanted='^base/debian(-openbox)? '
  case " ${own[*]} " in *" host "*) ;; *) wanted='^$' ;; esac
  grep -E "$wanted" "$work/images" >"$work/wanted" || true
  mv "$work/wanted" "$work/images"
fi
for name in "${own[@]}"; do
  mkdir -p "$work/own/$name"
  case $name in
    server)
      cp deploy/image/Containerfile deploy/image/collect images/base/install "$work/own/$name/"
      cp "$work/base/debian/bootstrap" "$work/own/$name/"
      echo "own/server $REGISTRY/streamspace:$TAG ${debian:-$(awk '$1 == "base/debian" {print $3}' "$work/images")} amd64,arm64" >>"$work/images"
      ;;
    host)
      cp deploy/image/host.Containerfile "$work/own/$name/Containerfile"
      echo "own/host $REGISTRY/streamspace-host:$TAG $REGISTRY/debian-openbox:$TAG amd64,arm64" >>"$work/images"
      ;;
  esac
  [ -e web/dist/index.html ] || { echo "images/build.sh: the web page is missing: run make build" >&2; exit 1; }
  for arch in ${ARCH//,/ }; do
    mkdir -p "$work/own/$name/streamspace/$arch"
    CGO_ENABLED=0 GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w ${LDFLAGS:-}" -o "$work/own/$name/streamspace/$arch/" ./cmd/streamspace ./cmd/streamspace-agent
  done
done

for arch in ${ARCH//,/ }; do
  mkdir -p "$work/agent/$arch"
  CGO_ENABLED=0 GOARCH=$arch go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/agent/$arch/" ./cmd/streamspace-agent
done

for folder in "$work"/base/*/; do cp -r "$work/agent" "$folder"; done

# bootstrap FOLDER ARCH: the distribution's smallest system, from its packages. Prints the image's name.
bootstrap() {
  local folder=$1 arch=$2 suite mirror components keyring snapshot image rootfs container
  [ -e "$work/$folder/bootstrap" ] || { echo "images/build.sh: $folder can only be built from its image in a registry" >&2; return 1; }
  read -r suite mirror components keyring snapshot <"$work/$folder/bootstrap"
  [ -z "$SNAPSHOT" ] || [ -z "$snapshot" ] || mirror=$snapshot/$SNAPSHOT
  image=localhost/bootstrap-$suite:$arch
  if [ -n "${REFRESH:-}" ] || ! "${buildah[@]}" inspect --type image "$image" >/dev/null 2>&1; then
    need mmdebstrap mmdebstrap >&2
    [ -e "$keyring" ] || { echo "images/build.sh: $keyring, the distribution's keys, is missing" >&2; return 1; }
    rootfs=$(mktemp --suffix .tar)
    # The same exclusions as in images/base/install, which comes too late for these packages.
    mmdebstrap --quiet --variant=minbase --arch="$arch" --components="${components//,/ }" --keyring="$keyring" --aptopt='Acquire::Languages "none"' \
      --include=ca-certificates --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --customize-hook='rm -f "$1"/etc/hostname "$1"/etc/resolv.conf' "$suite" "$rootfs" "$mirror" >&2
    container=$("${buildah[@]}" from scratch)
    "${buildah[@]}" config --arch "$arch" --os linux --cmd /bin/sh "$container" >&2
    "${buildah[@]}" add --quiet "$container" "$rootfs" / >&2
    "${buildah[@]}" commit --quiet --rm --format oci --timestamp "$SOURCE_DATE_EPOCH" "$container" "$image" >&2
    rm -f "$rootfs"
  fi
  echo "$image"
}

# download FOLDER: fetches what the recipe names, and puts it where the Containerfile copies it from.
download() {
  local folder=$1 arch kind sum strip place url file root
  for arch in ${ARCH//,/ }; do mkdir -p "$folder/files/$arch" "$folder/packages/$arch"; done
  while read -r arch kind sum strip place url; do
    case ,$ARCH, in *,"$arch",*) ;; *) continue ;; esac
    file=$(mktemp)
    curl --fail --silent --show-error --location --retry 3 --max-filesize 4G --output "$file" "$url"
    echo "$sum  $file" | sha256sum --check --quiet >&2 || { echo "images/build.sh: $url is not what the catalog says (above)" >&2; return 1; }
    root=$folder/files/$arch
    case $kind in
      package) cp "$file" "$folder/packages/$arch$place" ;;
      file) install -D -m 755 "$file" "$root$place" ;;
      tar) mkdir -p "$root$place"; tar --extract --file "$file" --directory "$root$place" --strip-components "$strip" --no-same-owner ;;
      zip) mkdir -p "$root$place"; need unzip unzip; unzip -q "$file" -d "$root$place" ;;
    esac
    rm -f "$file"
  done <"$folder/downloads"
}

# build FOLDER IMAGE FROM ARCH: one image for one architecture, as IMAGE-ARCH.
build() {
  local folder=$1 image=$2 from=$3 arch=$4
  case $from in
    "$REGISTRY"/*) from=$from-$arch ;;
    *) if [ "$FROM_PACKAGES" = 1 ]; then from=$(bootstrap "$folder" "$arch"); fi ;;
  esac
  local snapshot=
  [ -z "$SNAPSHOT" ] || [ ! -e "$work/$folder/bootstrap" ] || snapshot=$(cut -d' ' -f5 "$work/$folder/bootstrap")/$SNAPSHOT
  # A base that was built of the same files on the same image is not built again.
  local input=
  if [ "${folder%%/*}" = base ]; then
    input=$({ (cd "$work/$folder" && find . -type f ! -path './agent/*' -o -path "./agent/$arch/*" -type f | sort | xargs sha256sum); "${buildah[@]}" inspect --type image --format '{{.FromImageID}}' "$from" 2>/dev/null || echo "$from"; echo "$snapshot"; } | sha256sum | cut -c1-64)
    if [ -z "${REFRESH:-}" ] && [ "$("${buildah[@]}" inspect --type image --format '{{index .OCIv1.Config.Labels "space.stream.input"}}' "$image-$arch" 2>/dev/null)" = "$input" ]; then
      return 0
    fi
  fi
  bud --pull=false --arch "$arch" ${input:+--label "space.stream.input=$input"} --build-arg TARGETARCH="$arch" --build-arg FROM="$from" --build-arg SNAPSHOT="$snapshot" \
    --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" ${HOST_PACKAGES:+--build-arg PACKAGES="$HOST_PACKAGES"} --tag "$image-$arch" "$work/$folder" >/dev/null
}

# publish FOLDER IMAGE: an index of every architecture's image, as an archive with its SBOMs,
# and to the registry what was asked for.
publish() {
  local folder=$1 image=$2 name=${1##*/} arch container root digest
  "${buildah[@]}" manifest rm "$image" >/dev/null 2>&1 || true
  "${buildah[@]}" manifest create "$image" >/dev/null
  for arch in ${ARCH//,/ }; do
    "${buildah[@]}" inspect --type image "$image-$arch" >/dev/null 2>&1 || continue # not for this architecture
    "${buildah[@]}" manifest add --arch "$arch" "$image" "containers-storage:$image-$arch" >/dev/null
    container=$("${buildah[@]}" from --pull=false --arch "$arch" "$image-$arch")
    root=$("${buildah[@]}" mount "$container")
    "$streamspace" catalog sbom "$root" --name "$image" --architecture "$arch" >"$OUT/$name-$arch.spdx.json"
    "${buildah[@]}" rm "$container" >/dev/null
  done
  # Bases have no archives: their layers are in those of the applications.
  if [ "${folder%%/*}" != base ]; then
    rm -f "$OUT/$name.tar"
    "${buildah[@]}" manifest push --quiet --all "$image" "oci-archive:$OUT/$name.tar:$image"
  fi
  [ -n "$PUSH" ] || return 0
  digest=$(mktemp)
  "${buildah[@]}" manifest push --quiet --all --tls-verify="${TLS_VERIFY:-true}" --digestfile "$digest" "$image" "docker://$image"
  if [ -n "$COSIGN_KEY" ]; then
    need cosign 'nothing in Debian: go install github.com/sigstore/cosign/v2/cmd/cosign@latest'
    # By digest: a tag can be moved between pushing and signing. Recursive: each architecture's image too.
    cosign sign --yes --recursive --key "$COSIGN_KEY" "${image%:*}@$(cat "$digest")"
    for arch in ${ARCH//,/ }; do
      [ -e "$OUT/$name-$arch.spdx.json" ] || continue
      cosign attest --yes --type spdxjson --predicate "$OUT/$name-$arch.spdx.json" --key "$COSIGN_KEY" "${image%:*}@$(cat "$digest")"
    done
  fi
  rm -f "$digest"
}

# possible FOLDER: whether the distribution can be had here: from packages, its keys must be there.
possible() {
  local distribution=${1#base/} keyring
  [ "$FROM_PACKAGES" = 1 ] && [ "$distribution" != "$1" ] || return 0
  distribution=${distribution%%-*}
  [ -e "$work/base/$distribution/bootstrap" ] || return 1
  keyring=$(cut -d' ' -f4 "$work/base/$distribution/bootstrap")
  [ -e "$keyring" ]
}

# bytes IMAGE ARCH: of all its files.
bytes() {
  local container size
  container=$("${buildah[@]}" from --pull=false --arch "$2" "$1")
  size=$(du -sbx "$("${buildah[@]}" mount "$container")" | cut -f1)
  "${buildah[@]}" rm "$container" >/dev/null
  echo "$size"
}

while read -r folder _; do
  [ ! -e "$work/$folder/downloads" ] || download "$work/$folder"
done <"$work/images"
if [ -n "${PREPARE:-}" ]; then
  echo "ready: cd $work && docker buildx bake -f docker-bake.json [TARGET…]"
  exit
fi

printf 'image\tarchitecture\tseconds\tbytes\n' >"$OUT/report.tsv"
while read -r folder image from architectures; do
  possible "$folder" || { echo "left out, since no registry can be reached and its packages cannot be verified: $folder" >&2; continue; }
  for arch in ${ARCH//,/ }; do
    case ,$architectures, in *,"$arch",*) ;; *) continue ;; esac
    began=$(date +%s.%N)
    build "$folder" "$image" "$from" "$arch"
    took=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}')
    printf '%s\t%s\t%s\t%s\n' "$folder" "$arch" "$took" "$(bytes "$image-$arch" "$arch")" | tee -a "$OUT/report.tsv"
  done
  publish "$folder" "$image"
done <"$work/images"
