"""What every test shares: how hypothesis searches, and that no secret is told."""

from __future__ import annotations

import os

from hypothesis import settings

# A slow minute of the machine is no failure. In CI the same commit gives the same answer.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
pytest_plugins = ["support.canary"]

settings.load_profile("ci" if os.environ.get("CI") else "default")
