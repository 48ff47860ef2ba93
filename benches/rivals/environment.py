"""Makes the environment that rivals run in, outside of every checkout, and says where its Python is.

They are never dependencies of ours: what they pull in must not meet what we ship.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ci"))

from places import cache_dir  # noqa: E402 (ci/ is no package)

__all__ = ["rival_python", "silero_onnx"]

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# Its own dependencies are torch and torchaudio, gigabytes for one file.
SILERO_VAD = "silero-vad==6.2.3"
SILERO_MEMBER = "silero_vad/data/silero_vad.onnx"


def _place() -> Path:
    return cache_dir() / "rivals"


def rival_python() -> Path:
    """The interpreter of the rivals' environment, made or renewed if requirements.txt has changed."""
    venv = _place() / "venv"
    python, stamp = venv / "bin" / "python", venv / "prepared"
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != key:
        print("-- creating the rivals' environment", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", REQUIREMENTS], check=True)
        stamp.write_text(key)
    return python


def silero_onnx() -> Path:
    """Silero's model as its authors publish it."""
    model = _place() / f"{SILERO_VAD.replace('==', '-')}.onnx"
    if not model.exists():
        _place().mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--only-binary=:all:", "-d", _place(), SILERO_VAD], check=True)
        wheel = next(_place().glob("silero_vad-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            model.write_bytes(archive.read(SILERO_MEMBER))
        wheel.unlink()
    return model
