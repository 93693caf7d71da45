"""The bundled model for Russian: an encoder and n-grams joined, or the n-grams alone where the encoder's base is not
installed.
"""

from __future__ import annotations

import logging
from pathlib import Path

from models import multilingual
from models.backends import REFERENCE
from models.cache import DEFAULT_CACHE_SIZE
from models.errors import ModelError, ModelFileError
from models.joined import JoinedModel
from models.on_demand import OnDemand
from models.routed import Reading
from models.russian import BUNDLED_RU, load_ngrams_model
from models.russian_encoder import CONFIG, WEIGHTS, encoder_files, load_encoder

log = logging.getLogger(__name__)


def load_russian(
    directory: Path = BUNDLED_RU,
    *,
    backend: str,
    threads: int = 0,
    cache_size: int = DEFAULT_CACHE_SIZE,
    at_once: bool = True,
) -> Reading:
    """Load the bundled Russian model, or another of its kind for a trial; ``backend`` is a name out of
    ``models.backends.BACKENDS``. Without ``at_once`` all files are verified now, but the encoder is loaded when it is
    first needed.

    The wheel with the encoder's base exists for Linux on x86-64 alone; elsewhere the n-grams read by themselves, under
    another version, since their tones are others. Raises ``ModelError``.
    """
    ngrams = load_ngrams_model(directory, cache_size=cache_size)
    if not multilingual.installed():
        log.warning("Russian is read by n-grams alone, less well: the wheel %s is not installed", multilingual.PACKAGE)
        return ngrams
    if directory != BUNDLED_RU and not any((directory / name).exists() for name in (CONFIG, WEIGHTS)):
        log.warning("Russian is read by n-grams alone, less well: %s holds no encoder.json (--no-encoder?)", directory)
        return ngrams
    files = encoder_files(directory)
    share = files.share

    def join() -> Reading:
        try:
            encoder = load_encoder(files, backend=backend, threads=threads, cache_size=cache_size)
        except ModelFileError:
            raise
        except ModelError as error:
            if backend == REFERENCE:
                raise
            log.warning("Russian is read by %s, since %s", REFERENCE, error)
            encoder = load_encoder(files, backend=REFERENCE, threads=threads, cache_size=cache_size)
        return JoinedModel(encoder, ngrams, share)

    return join() if at_once else OnDemand(join, threads)
