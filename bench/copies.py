"""How well copies are told from people: near-copies found, and distinct texts taken for copies, on real texts.

usage: python -m bench.copies [FOLDER with tone/ and replays/; default ../shared/data]

Found: texts of ten words and more with a word replaced, put in or left out at random (then two), or with a word added
at an end, that are still taken for copies. Taken for copies: the same word for word, and near-copies; of these, how
many share less than six in ten of their words. They are mostly headlines cut short; read the examples (--show N).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors.copies import Copies
from detectors.near_copies import NEAR_WORDS, Mark, mark, words_of


def texts(folder: Path) -> list[tuple[str, list[str]]]:
    out = []
    for path in sorted((folder / "tone").glob("*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines()
        out.append((path.stem, [line.split("\t", 1)[1] for line in lines if "\t" in line]))
    for path in sorted((folder / "replays").glob("*.jsonl.gz")):
        with gzip.open(path, "rb") as mentions:
            out.append((path.name.removesuffix(".jsonl.gz"), [json.loads(line)["text"] for line in mentions]))
    return out


def edited(words: list[str], edits: int, vocabulary: list[str], rng: random.Random) -> list[str]:
    out = list(words)
    for _ in range(edits):
        at = rng.randrange(len(out))
        kind = rng.randrange(3)
        if kind == 0:
            out[at] = rng.choice(vocabulary)
        elif kind == 1:
            out.insert(at, rng.choice(vocabulary))
        else:
            del out[at]
    return out


def is_copy(one: list[str], other: list[str]) -> bool:
    marks = [mark(0, " ".join(words)) for words in (one, other)]
    return Copies().voices([0, 0], [0, 1], [1, 2], marks)[0] == [1, 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--show", type=int, default=0, metavar="N", help="examples of the least alike per file")
    asked = parser.parse_args()
    rng = random.Random(0)
    found = f"{'1 word':>7} {'2 words':>8} {'at an end':>10}"
    taken = f"{'same':>7} {'near':>7} {'unlike':>7}"
    print(f"{'':28} {'texts':>8}  found: {found}  taken for copies: {taken} {'us a text':>10}")
    for name, some in texts(asked.folder):
        words = [w for text in some if len(w := words_of(text)) >= NEAR_WORDS]
        if not words:
            continue
        vocabulary = [word for one in words[:2000] for word in one]
        tried = rng.sample(words, min(1000, len(words)))
        shares = [
            sum(is_copy(one, edited(one, edits, vocabulary, rng)) for one in tried) / len(tried) for edits in (1, 2)
        ]
        ends = []
        for one in tried:
            word = rng.choice(vocabulary)
            ends.append([word, *one] if rng.random() < 0.5 else [*one, word])
        shares.append(sum(map(is_copy, tried, ends)) / len(tried))
        began = time.process_time()
        marks: list[Mark | None] = [mark(0, text) for text in some]
        n = len(some)
        voices, _ = Copies().voices([0] * n, [0] * n, list(range(n)), marks)
        took = (time.process_time() - began) / n * 1e6
        same, near, unlike = 0, 0, []
        for i, voice in enumerate(voices):
            if voice == i:
                continue
            one, other = words_of(some[voice]), words_of(some[i])
            if one == other:
                same += 1
                continue
            near += 1
            alike = len(set(one) & set(other)) / len(set(one) | set(other))
            if alike < 0.6:
                unlike.append((alike, some[voice], some[i]))
        recalled = f"{shares[0]:>7.0%} {shares[1]:>8.0%} {shares[2]:>10.0%}"
        merged = f"{same:>7,} {near:>7,} {len(unlike):>7,} {took:>10.1f}"
        print(f"{name:28} {n:>8,}         {recalled}                    {merged}")
        for _, one_text, other_text in sorted(unlike)[: asked.show]:
            print(f"    {one_text[:150]!r}\n    {other_text[:150]!r}")


if __name__ == "__main__":
    main()
