"""Taking members of ticks in: for whom each counts, and what is kept of it for snapshots and for people to read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.core import Core
from detectors.evidence import EXCERPT, Sample, writable
from detectors.near_copies import mark
from detectors.observations import Observations
from detectors.windows import IS_NEGATIVE, LONG_AGO, member_flags


@dataclass(frozen=True, slots=True)
class Members:
    """The mentions of some ticks, in tick order: rows begin..end of `observations`, as columns (m,)."""

    row: Ints
    """Row of the brand in the core."""
    tick: Ints
    minute: Ints
    author: NDArray[np.uint64]
    negative: NDArray[np.bool_]
    observations: Observations
    begin: int

    @staticmethod
    def of(observations: Observations, row: Ints, begin: int, end: int) -> Members:
        """Rows begin..end of observations; `row` tells the brand of each observation."""
        own = slice(begin, end)
        return Members(
            row[own],
            observations.tick[own],
            observations.minute[own],
            observations.author[own],
            observations.negative[own],
            observations,
            begin,
        )

    def __len__(self) -> int:
        return len(self.row)

    def models(self) -> NDArray[np.uint64] | None:
        """Code of the version of the tone model that read each, (m,); None where that is not told."""
        codes = self.observations.model
        return None if codes is None else codes[self.begin : self.begin + len(self)]

    def rows(self, begin: int, end: int) -> Members:
        """Some of them."""
        own = slice(begin, end)
        return Members(
            self.row[own],
            self.tick[own],
            self.minute[own],
            self.author[own],
            self.negative[own],
            self.observations,
            self.begin + begin,
        )


def voices(core: Core, members: Members) -> NDArray[np.uint64]:
    """For whom each negative member counts, (m,): its author, or the one whose text it copies."""
    voice = members.author.copy()
    at = np.nonzero(members.negative)[0]
    if not len(at):
        return voice
    names, ticks, authors = core.index[members.row[at]].tolist(), members.tick[at].tolist(), members.author[at].tolist()
    place = members.begin + at
    kinds, text = members.observations.kind[place].tolist(), members.observations.text
    marks = [mark(kind, text[j]) for kind, j in zip(kinds, place.tolist(), strict=True)]
    out, firsts = core.copies.voices(names, ticks, authors, marks)
    for first in firsts if core.unsaved.wanted else ():
        core.unsaved.firsts.setdefault((first.brand, first.tick), []).append(first)
    voice[at] = np.array(out, np.uint64)
    return voice


def take(core: Core, members: Members, voice: NDArray[np.uint64]) -> None:
    """Note members: first ticks of new brands, what snapshots need, samples to show."""
    touched, at_first = np.unique(members.row, return_index=True)
    new = core.track.start[touched] == LONG_AGO
    for i, start in zip(touched[new].tolist(), members.tick[at_first[new]].tolist(), strict=True):
        core.track.start[i] = start
        core.gaps.add(i, LONG_AGO, start - 1)
    core.dirty.update(core.index[touched].tolist())
    if core.unsaved.wanted:
        _keep_for_snapshot(core, members, voice)
    at = np.nonzero(members.negative)[0]
    if len(at):
        _keep_samples(core, members, at, core.index[members.row[at]].tolist())


def _keep_for_snapshot(core: Core, members: Members, voice: NDArray[np.uint64]) -> None:
    name, tick, minute = core.index[members.row], members.tick, members.minute
    own_voice = members.negative & (voice == members.author)
    core.unsaved.chunks.append((name, tick, minute, members.author, member_flags(own_voice)))
    copied = np.nonzero(members.negative & (voice != members.author))[0]
    if len(copied):
        flags = np.full(len(copied), IS_NEGATIVE, np.uint8)
        core.unsaved.chunks.append((name[copied], tick[copied], minute[copied], voice[copied], flags))


def _keep_samples(core: Core, members: Members, at: Ints, names: list[int]) -> None:
    """Keep some of these negative members (rows `at`, brands `names`) to be shown."""
    observations, place = members.observations, members.begin + at
    reach, p_negative = observations.reach[place].tolist(), observations.p_negative[place].tolist()
    evidence, unsaved = core.evidence, core.unsaved.samples if core.unsaved.wanted else None
    columns = (names, members.tick[at].tolist(), members.author[at].tolist(), place.tolist(), p_negative, reach)
    for name, tick, author, j, p, r in zip(*columns, strict=True):
        if not evidence.has_room(name, tick):
            continue
        text = writable(observations.text[j][:EXCERPT])
        sample = Sample(
            tick, author, observations.id[j], text, observations.url[j], round(p, 4), None if math.isnan(r) else r
        )
        evidence.add(name, sample)
        if unsaved is not None:
            unsaved.setdefault((name, tick), []).append(sample)
