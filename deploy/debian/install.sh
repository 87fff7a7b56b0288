#!/usr/bin/env bash
# Installs the Debian packages that StreamSpace needs, when they are missing.
# usage: install.sh SET...    sets: run, test, bench, images, kube
# Safe to repeat and to interrupt: it asks dpkg what is there each time.
set -euo pipefail

run=(
  tigervnc-standalone-server xauth xkb-data x11-xkb-utils x11-xserver-utils openbox dbus # the desktop
  bubblewrap slirp4netns                                                          # its sandbox and network
  fonts-dejavu-core xfonts-base adwaita-icon-theme                                # what it looks like
  postgresql                                                                      # the private database
  libturbojpeg0                                                                   # JPEG for viewers that share a desktop
  pulseaudio libopus0                                                             # sound, and its codec
  libvpx7 libyuv0 libopenh264-7                                                   # VP9, VP8 and H.264 video; libaom3 adds AV1
  xterm pcmanfm mousepad galculator                                               # the first four applications
)
test=(redis-server nginx-full haproxy python3 gcc libc6-dev chromium xdotool xclip pulseaudio-utils x11-utils x11-apps tigervnc-tools procps prometheus) # promtool is in prometheus
images=(buildah skopeo mmdebstrap debian-archive-keyring bubblewrap curl unzip qemu-user-static binfmt-support) # desktop images, also of other architectures
kube=(containerd runc containernetworking-plugins iptables conntrack iproute2 util-linux redis-server chromium) # a cluster of one node, for its test
bench=(websockify nginx-full libnginx-mod-stream redis-server wrk iproute2 chromium x11-apps)

wanted=()
for set in "$@"; do
  case $set in
    run) wanted+=("${run[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    kube) wanted+=("${kube[@]}") ;;
    images) wanted+=("${images[@]}") ;;
    *) echo "install.sh: no such set: $set (run, test, bench, images, kube)" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
# PostgreSQL may be there under its versioned name, or from elsewhere.
if compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null; then
  missing=("${missing[@]/#postgresql/}")
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep . | sort -u)
[ "${#missing[@]}" -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "Missing: ${missing[*]}" >&2
  echo "This is not a Debian machine: install the like of these packages, then run make again." >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "Missing: ${missing[*]}" >&2
    echo "As root, run: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing: ${missing[*]}"
log=$(mktemp)
# Debian's postgresql would make and start a cluster of its own, which nobody here uses.
no_cluster=/etc/postgresql-common/createcluster.d/streamspace-install.conf
# Nor are any services to be started: the tests start their own servers.
no_services=/usr/sbin/policy-rc.d
cleanup() {
  rm -f "$log"
  [ -z "$quiet" ] || "${as_root[@]}" rm -f "$no_services"
  "${as_root[@]}" rm -f "$no_cluster"
  "${as_root[@]}" rmdir --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d /etc/postgresql-common 2>/dev/null || true
}
quiet=
trap cleanup EXIT
if [ ! -e "$no_services" ]; then
  quiet=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$no_services" >/dev/null
  "${as_root[@]}" chmod 755 "$no_services"
fi
if printf '%s\n' "${missing[@]}" | grep -qx postgresql; then
  "${as_root[@]}" mkdir -p "$(dirname "$no_cluster")"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_cluster" >/dev/null
fi

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
if ! "${apt[@]}" update >"$log" 2>&1 || ! "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
  tail -n 25 "$log" >&2
  echo "apt-get did not succeed (above: the end of what it said). Mend that, then run make again." >&2
  exit 1
fi
