#!/usr/bin/env bash
# Every test that is short enough to run each time. Arguments go to pytest.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

# No interpreter for the Rust tests: a crate other than pybind that needs one fails here. One seed for property tests:
# the same commit gives the same answer (`make prove` looks further).
rust_tests() {
    PYO3_PYTHON=/no/python/for/these/crates PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-2026} \
        cargo_gate cargo test --quiet --locked --workspace --exclude beluga-pybind
}

stage set-up "$PYTHON" ci/prepare.py venv models extension servers chromium
stage rust rust_tests
stage wheel .venv/bin/python ci/wheel.py
echo "== pytest ($SECONDS s so far)"
exec .venv/bin/python -m pytest -m "not quiet_machine" "$@"
