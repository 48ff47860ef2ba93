#!/usr/bin/env bash
# The sdist builds by itself: installed from source into an empty environment, it is imported. Needs what building
# always needs (cargo, a C compiler, cmake).
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

built=$(.venv/bin/python ci/wheel.py | tail -n 1)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$PYTHON" -m venv "$place/venv"
# A target directory of its own: the shared one must not learn of this copy of the sources.
CARGO_TARGET_DIR=$place/target "$place/venv/bin/pip" install -q --disable-pip-version-check \
    -c ci/constraints.txt "$built"/*.tar.gz
cd "$place"
"$place/venv/bin/python" -W error -c "from beluga_voice import _core; print(_core.__file__)"
