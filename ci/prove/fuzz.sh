#!/usr/bin/env bash
# Every fuzz target of ci/fuzz under AddressSanitizer, libopus compiled with it too.
#
#     bash ci/prove/fuzz.sh [TARGET [INPUT]]
#
# FUZZ_SECONDS for each target (120; 15 with QUICK=1), on inputs found before and kept in the cache. With INPUT, that one alone.
# -Zsanitizer is unstable: the stable compiler is told to allow it, as in sanitizers.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"
"$PYTHON" ci/prepare.py fuzzer

seconds=${FUZZ_SECONDS:-$([[ ${QUICK:-} == 1 ]] && echo 15 || echo 120)}
only=${1:-} input=${2:-}
if [[ -n $only && ! -f ci/fuzz/fuzz_targets/$only.rs ]]; then
    echo "no target $only; there are:" ci/fuzz/fuzz_targets/*.rs >&2
    exit 1
fi

place() { "$PYTHON" -c "import sys; sys.path.insert(0, 'ci'); import places, prepare; print($1)"; }
kept=$(place 'places.cache_dir() / "fuzz"')
PATH=$(place 'prepare.cargo_fuzz().parent'):$PATH
# A directory of its own: everything in it, dependencies too, is built differently.
CARGO_TARGET_DIR=$(place 'places.cargo_target_dir()')-fuzz
export PATH CARGO_TARGET_DIR
export RUSTC_BOOTSTRAP=1
export CFLAGS_x86_64_unknown_linux_gnu="-fsanitize=address -fno-omit-frame-pointer -fsanitize-coverage=trace-pc"
export ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1

# cargo-fuzz passes no --locked on: this line says when the lock file is not the manifest's.
cargo fetch --quiet --locked --manifest-path ci/fuzz/Cargo.toml
stage build cargo_gate cargo fuzz build --fuzz-dir ci/fuzz --target x86_64-unknown-linux-gnu
# Run from copies: another checkout may build while these run.
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
find "$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release" -maxdepth 1 -type f -executable -exec cp -t "$programs" {} +

# What no input may cost: 10 s, 1 GB in all, 64 MB at once.
limits=(-timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64)
if [[ -n $input ]]; then
    "$programs/$only" "${limits[@]}" "$input"
    exit
fi
"$programs/seeds" "$programs/seed"

# fuzz TARGET: adds its row to `rows` when nothing was found. Edges are of Rust; features (edges by how often they were passed,
# comparisons) are also of libopus.
rows=()
fuzz() {
    local target=$1 log=$programs/$1.log crashes=$kept/$1/crashes corpus=$kept/$1/corpus code=0 crash
    mkdir -p "$crashes" "$corpus"
    # What crashed once must not do so again; then it is an input like any other.
    for crash in "$crashes"/*; do
        [[ -f $crash ]] || continue
        "$programs/$target" "${limits[@]}" "$crash" >"$log" 2>&1 || { found "$target" "$crash"; return 1; }
        mv "$crash" "$corpus"
    done
    "$programs/$target" "${limits[@]}" -max_total_time="$seconds" -max_len=16384 -reload=0 -verbosity=1 \
        -print_final_stats=1 -artifact_prefix="$crashes/" "$corpus" "$programs/seed/$target" >"$log" 2>&1 || code=$?
    if ((code)); then
        crash=$(sed -n 's/^.*Test unit written to //p' "$log" | tail -n 1)
        found "$target" "${crash:-none written}"
        return 1
    fi
    local runs took edges features
    read -r runs took < <(sed -nE 's/^Done ([0-9]+) runs in ([0-9]+) second.*/\1 \2/p' "$log")
    read -r edges features < <(sed -nE 's/^#[0-9]+\s+DONE\s+cov: ([0-9]+) ft: ([0-9]+) .*/\1 \2/p' "$log")
    echo "$target: $runs executions in $took s, $edges edges, $features features"
    rows+=("{\"target\": \"$target\", \"seconds\": $took, \"executions\": $runs, \"edges\": $edges, \"features\": $features}")
}

# found TARGET INPUT: what the target said, and how to hear it again.
found() {
    grep -vE '^#[0-9]+|^INFO:' "$log" | head -n 60 >&2
    echo "$1 broke on $2; to repeat: bash ci/prove/fuzz.sh $1 $2" >&2
}

failed=()
for path in ci/fuzz/fuzz_targets/*.rs; do
    target=$(basename "$path" .rs)
    if [[ -z $only || $only == "$target" ]]; then
        stage "$target" fuzz "$target" || failed+=("$target")
    fi
done
if [[ -n ${PROOF_ROWS:-} ]]; then
    (IFS=,; echo "[${rows[*]}]") >"$PROOF_ROWS"
fi
if ((${#failed[@]})); then
    echo "fuzz failed: ${failed[*]}" >&2
    exit 1
fi
