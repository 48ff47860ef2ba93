#!/usr/bin/env bash
# The lock-free structures of the engine under loom: every interleaving, and every reordering that the memory model allows.
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

# A directory of its own: `--cfg loom` builds everything differently.
CARGO_TARGET_DIR=$("$PYTHON" -c 'import sys; sys.path.insert(0, "ci"); import places; print(places.cargo_target_dir())')-loom
export CARGO_TARGET_DIR
export RUSTFLAGS="--cfg loom"

# Without this a filter that matches nothing would pass.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo_gate cargo test --locked --release --package beluga-engine --lib loom_tests 2>&1 | tee "$log"
passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed.*/\1/p' "$log")
if [[ ${passed:-0} -lt 5 ]]; then
    echo "only ${passed:-no} loom tests ran" >&2
    exit 1
fi
[[ -z ${PROOF_ROWS:-} ]] || printf '[{"loom_tests": %d}]\n' "$passed" > "$PROOF_ROWS"
