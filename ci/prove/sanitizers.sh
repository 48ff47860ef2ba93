#!/usr/bin/env bash
# Tests of the crates that have `unsafe` (and call C) under AddressSanitizer, libopus compiled with it too.
# -Zsanitizer is unstable: nightly where there is one, else the stable compiler told to allow it.
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

target=x86_64-unknown-linux-gnu
crates=(beluga-codec beluga-counting-alloc beluga-runtime beluga-vad)

# A directory of its own: everything in it, dependencies too, is built differently.
CARGO_TARGET_DIR=$("$PYTHON" -c 'import sys; sys.path.insert(0, "ci"); import places; print(places.cargo_target_dir())')-asan
export CARGO_TARGET_DIR
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes"
export RUSTDOCFLAGS=$RUSTFLAGS
export CFLAGS_x86_64_unknown_linux_gnu="-fsanitize=address -fno-omit-frame-pointer"
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1

packages=()
for crate in "${crates[@]}"; do packages+=(--package "$crate"); done
cargo_gate cargo test --locked --no-fail-fast --target "$target" --lib --tests "${packages[@]}"
