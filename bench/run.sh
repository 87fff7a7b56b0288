#!/bin/bash
# All measurements, one after the other, on an otherwise quiet machine: `make bench`.
# Arguments are the experiments to run (see below); none means all.
# BENCH_OUT is the folder for results, BENCH_ROUNDS replaces every experiment's rounds.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${BENCH_OUT:-bench/results}
experiments=("$@")
((${#experiments[@]})) || experiments=(relay latency pixel fanout stalled wire idle capacity flood wan start fleet tree ingress)

CGO_ENABLED=0 go build -trimpath -o bin/ ./bench/cmd/bench ./bench/cmd/relayhost

failed=()
for experiment in "${experiments[@]}"; do
	case $experiment in
		relay | latency | pixel) rounds=5 ;;
		flood | tree | ingress) rounds=5 ;;
		fanout | stalled | wire | capacity | fleet) rounds=3 ;; # a round takes minutes
		idle | wan) rounds=3 ;; # and holds gigabytes of peers besides
		start) rounds=15 ;;
		*) echo "bench/run.sh: no experiment $experiment; bin/bench --help lists them" >&2; exit 2 ;;
	esac
	# One that lacks rights or a program must not keep the others from running.
	bin/bench "$experiment" --rounds "${BENCH_ROUNDS:-$rounds}" --out "$out" || failed+=("$experiment")
done
if ((${#failed[@]})); then
	echo "bench/run.sh: not measured: ${failed[*]}" >&2
	exit 1
fi
