"""The model weights that go into the wheel: where they come from and what they must be.

Read by `ci/fetch_models.py` before anything is installed, so nothing beyond the standard library is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One safetensors file in `_models`, made of the ONNX file in a package on PyPI, and its licence beside it."""

    name: str
    """What users and `beluga-voice models` call it."""
    file: str
    """File name in `_models`."""
    sha256: str
    """Of the file, in hexadecimal."""
    package: str
    """Package that ships it, and its version, as pip's requirement line."""
    member: str
    """Path of the ONNX file in the package's wheel."""
    member_sha256: str
    """Of the ONNX file, in hexadecimal."""
    tensors: tuple[tuple[str, str], ...]
    """What `file` holds, in its order: each tensor's name in it, and its name in the ONNX file."""
    licence: str
    """SPDX identifier."""
    licence_file: str
    """File name of the licence's text in `_models`."""
    licence_member: str
    """Path of the licence's text in the package's wheel."""


MODELS: tuple[Model, ...] = (
    Model(
        name="silero",
        file="silero_vad_16k.safetensors",
        sha256="8fe5ade2da22d6e4478cfe0b611cffd30334da8753aec34f6492a4c3b3ce0efb",
        package="silero-vad==6.2.3",
        # Not the safetensors file beside it, which holds other weights: issue 768 of snakers4/silero-vad. Names and
        # order of the tensors are that file's.
        member="silero_vad/data/silero_vad_16k_op15.onnx",
        member_sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
        tensors=(
            ("stft_conv.weight", "model.stft.forward_basis_buffer"),
            ("conv1.weight", "model.encoder.0.reparam_conv.weight"),
            ("conv1.bias", "model.encoder.0.reparam_conv.bias"),
            ("conv2.weight", "model.encoder.1.reparam_conv.weight"),
            ("conv2.bias", "model.encoder.1.reparam_conv.bias"),
            ("conv3.weight", "model.encoder.2.reparam_conv.weight"),
            ("conv3.bias", "model.encoder.2.reparam_conv.bias"),
            ("conv4.weight", "model.encoder.3.reparam_conv.weight"),
            ("conv4.bias", "model.encoder.3.reparam_conv.bias"),
            ("lstm_cell.weight_ih", "model.decoder.rnn.weight_ih"),
            ("lstm_cell.weight_hh", "model.decoder.rnn.weight_hh"),
            ("lstm_cell.bias_ih", "model.decoder.rnn.bias_ih"),
            ("lstm_cell.bias_hh", "model.decoder.rnn.bias_hh"),
            ("final_conv.weight", "model.decoder.decoder.2.weight"),
            ("final_conv.bias", "model.decoder.decoder.2.bias"),
        ),
        licence="MIT",
        licence_file="LICENSE.silero-vad",
        licence_member="silero_vad-6.2.3.dist-info/licenses/LICENSE",
    ),
)
