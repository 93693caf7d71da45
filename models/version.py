"""Versions of models: a short checksum over everything that decides a tone."""

from __future__ import annotations

import hashlib
import json
from typing import Final

import tokenizers

from models.normalise import NORMALISATION, unicode_version

_LENGTH: Final = 12
"""Hexadecimal digits kept of the checksum: 48 bits tell any number of models in use apart."""


def version_of(parts: dict[str, str], network: str) -> str:
    """Version from the named ``parts`` of a model (checksums, labels ...) and the backend's description ``network``."""
    whole = {
        **parts,
        "network": network,
        "normalisation": str(NORMALISATION),
        "unicode": unicode_version(),
        "tokenizers": tokenizers.__version__,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:_LENGTH]
