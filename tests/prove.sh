#!/usr/bin/env bash
# ./dev prove [--budget 10m]: what to run after changing a rule of replication. Golden hashes, a control swarm for the
# budget, and the museum's bugs still caught. Called by ./dev, from the root of the tree.
set -euo pipefail
budget=10m
while [ $# -gt 0 ]; do
  case $1 in
    --budget) budget=$2; shift 2 ;;
    *) echo "prove: unknown argument $1 (usage: ./dev prove [--budget 10m])" >&2; exit 2 ;;
  esac
done
echo "1. golden hashes"
python3 tests/golden/golden.py
echo "2. control swarm: scenarios/museum.yaml for $budget"
build/release/harrow swarm scenarios/museum.yaml --duration "$budget"
echo "3. museum"
tests/museum.sh
