#!/usr/bin/env bash
# Rooms of a real livekit-server in full: what `make test` leaves out because it wants a machine with nothing else to do.
source "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

"$PYTHON" ci/prepare.py livekit
exec .venv/bin/python -m pytest tests/integration/livekit -q --timeout 200
