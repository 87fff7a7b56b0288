#!/bin/bash
# Records the five workloads in front of a private Xvnc, for `streamspace bench replay`:
# bench/traces.sh FOLDER [seconds] [geometry]. Needs bin/streamspace (make build) and Xvnc.
set -euo pipefail
folder=${1:?"usage: bench/traces.sh FOLDER [seconds] [geometry]"}
mkdir -p "$folder"
for scene in idle typing scroll drag video; do
	"$(dirname "$0")/../bin/streamspace" bench record --scene "$scene" --duration "${2:-10}s" --geometry "${3:-1280x720}" \
		xvnc:// "$folder/$scene.rfbtrace"
done
