#!/usr/bin/env bash
# What continuous integration runs, from a clean checkout: lint, stubs, every test. pytest's closing line comes last.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"

stage set-up "$PYTHON" ci/prepare.py venv models extension tools servers
stage lint bash ci/lint.sh
stage stubs bash ci/stubs.sh
echo "== $SECONDS s so far"
exec make --no-print-directory test PYTHON="$PYTHON"
