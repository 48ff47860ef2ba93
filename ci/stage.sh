# Sourced by the scripts beside it: where the checkout is, which Python makes .venv, and stages with their times.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if [[ -z $PYTHON ]]; then
    echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi
export PYTHON

# pyo3's build script wants an interpreter. The base one: .venv's path would have every checkout build pyo3 anew.
PYO3_PYTHON=$("$PYTHON" -c 'import sys; print(sys._base_executable)')
export PYO3_PYTHON

# stage NAME COMMAND...: runs it and prints how long it took, also when it fails.
stage() {
    local name=$1 started=$SECONDS code=0
    shift
    echo "== $name"
    "$@" || code=$?
    echo "== $name: $((SECONDS - started)) s$([[ $code == 0 ]] || echo ", failed")"
    return $code
}

cargo_gate() { "$PYTHON" ci/cargo_gate.py "$@"; }
