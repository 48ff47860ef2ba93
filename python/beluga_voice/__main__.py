"""`python -m beluga_voice` is the command `beluga-voice`."""

from __future__ import annotations

from beluga_voice.cli import main

if __name__ == "__main__":
    main()
