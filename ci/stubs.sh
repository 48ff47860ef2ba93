#!/usr/bin/env bash
# Holds _core.pyi to the built extension: names, signatures, defaults.
source "$(dirname "${BASH_SOURCE[0]}")/stage.sh"
"$PYTHON" ci/prepare.py venv models extension
.venv/bin/python -m mypy.stubtest beluga_voice._core --allowlist .mypy-stubtest-allowlist
