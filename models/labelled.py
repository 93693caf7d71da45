"""Labelled texts: files of ``label<TAB>text`` lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.tone import LABELS


@dataclass(frozen=True)
class LabelledTexts:
    """``texts`` and, for each, the index of its label in ``LABELS``: ``labels`` (n,) int64."""

    texts: list[str]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def subset(self, keep: NDArray[np.bool_]) -> LabelledTexts:
        """The rows where ``keep`` (n,) is true."""
        return LabelledTexts([text for text, kept in zip(self.texts, keep, strict=True) if kept], self.labels[keep])


def joined(parts: Sequence[LabelledTexts]) -> LabelledTexts:
    """All texts of several parts."""
    return LabelledTexts(
        [text for part in parts for text in part.texts], np.concatenate([part.labels for part in parts])
    )


def is_named_labelled(path: Path) -> bool:
    """Whether a file's name says that it holds such lines."""
    return path.name.lower().endswith((".tsv", ".tsv.gz"))


def read_labelled(path: Path) -> LabelledTexts:
    """Read a UTF-8 file of ``label<TAB>text`` lines, plain or gzip.

    Raises ``ValueError`` naming file, line and what is allowed when a line has no tab or an unknown label or is not
    UTF-8, or when gzip data is damaged; ``OSError`` when the file cannot be read.
    """
    try:
        # Some editors begin a file with a byte order mark, which is no part of the first label.
        content = _unpacked(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        bad = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {bad}: not UTF-8 ({error.reason}); save the file as UTF-8, as by iconv -t utf-8"
        ) from error
    texts: list[str] = []
    labels: list[int] = []
    # Not splitlines(): it would also break lines at the Unicode separators that occur inside tweets.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not tab or label not in LABELS:
            raise ValueError(
                f"{path}, line {number}: expected LABEL<TAB>TEXT with a label out of {', '.join(LABELS)}; found "
                f"{line[:60]!r}"
            )
        texts.append(text)
        labels.append(LABELS.index(label))
    return LabelledTexts(texts, np.asarray(labels, dtype=np.int64))


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path}: the gzip data is damaged: {error}; fetch or pack the file again (gzip -t tests it)"
        ) from error
