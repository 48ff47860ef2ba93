#!/usr/bin/env bash
# Every check that runs no code of ours. All of them run, then the failed ones are named.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
"$PYTHON" ci/prepare.py venv tools

failed=()
check() {
    local name=$1
    shift
    stage "$name" "$@" || failed+=("$name")
}

deny=$("$PYTHON" -c 'import sys; sys.path.insert(0, "ci"); import prepare; print(prepare.cargo_deny())')

check tree .venv/bin/python ci/tree_lint.py
check ruff .venv/bin/ruff check --quiet .
check ruff-format .venv/bin/ruff format --quiet --diff .
check pyright .venv/bin/pyright
check rustfmt cargo fmt --all --check
check rustfmt-fuzz cargo fmt --manifest-path ci/fuzz/Cargo.toml --check
check rustfmt-kernels cargo fmt --manifest-path benches/kernels/Cargo.toml --check
check rustfmt-scale cargo fmt --manifest-path benches/scale/Cargo.toml --check
check clippy cargo_gate cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
check clippy-fuzz cargo_gate cargo clippy --quiet --locked --manifest-path ci/fuzz/Cargo.toml --all-targets -- -D warnings
check clippy-kernels cargo_gate cargo clippy --quiet --locked --manifest-path benches/kernels/Cargo.toml --all-targets \
    -- -D warnings
check clippy-scale cargo_gate cargo clippy --quiet --locked --manifest-path benches/scale/Cargo.toml --all-targets \
    -- -D warnings
check rustdoc env RUSTDOCFLAGS="-D warnings" "$PYTHON" ci/cargo_gate.py \
    cargo doc --quiet --locked --workspace --no-deps --document-private-items
check cargo-deny "$deny" --log-level error --locked check licenses bans sources

if ((${#failed[@]})); then
    echo "lint failed: ${failed[*]}" >&2
    exit 1
fi
