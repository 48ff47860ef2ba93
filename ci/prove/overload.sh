#!/usr/bin/env bash
# The overload ladder: a shard with twice the work it has time for, on a virtual clock; then any schedule of lateness, many times.
# What it measured (steps, skipped frames, gaps, recovery) is written by the test itself, to PROOF_ROWS.
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

export PROPTEST_CASES=${PROPTEST_CASES:-$([[ ${QUICK:-} == 1 ]] && echo 200 || echo 5000)}

# Without this a filter that matches nothing would pass.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo_gate cargo test --locked --release --package beluga-engine overload -- --nocapture 2>&1 | tee "$log"
passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed.*/\1/p' "$log" | awk "{ sum += \$1 } END { print sum }")
if [[ ${passed:-0} -lt 12 ]]; then
    echo "only ${passed:-no} tests of the ladder ran" >&2
    exit 1
fi
