#!/usr/bin/env bash
# Every bug of the museum is reached and caught within eight seeds, by its own file where it has one, else by the general
# one, and the same seeds are silent without it. The whole table, with both columns, is results/museum.md.
set -euo pipefail
build/museum/harrow museum run --all --quick --seeds 1..8
