"""Taking members of ticks in: for whom each counts, and what is kept of it for snapshots and for people to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.copies import text_key
from detectors.core import Core
from detectors.evidence import EXCERPT, Sample, writable
from detectors.gaps import LONG_AGO
from detectors.observations import Observations
from detectors.windows import IS_NEGATIVE, member_flags


@dataclass(frozen=True, slots=True)
class Members:
    """The mentions of a block's ticks, in tick order: rows begin..end of `observations`, as columns (m,)."""

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


def voices(core: Core, members: Members) -> NDArray[np.uint64]:
    """For whom each negative member counts, (m,): its author, or the one whose text it copies."""
    voice = members.author.copy()
    observations = members.observations
    for i in np.nonzero(members.negative)[0].tolist():
        name, j = int(core.index[members.row[i]]), members.begin + i
        key = text_key(core.profiles[name].name, int(observations.kind[j]), observations.text[j])
        who, first = core.copies.voice(name, int(members.tick[i]), int(members.author[i]), key)
        voice[i] = who
        if first is not None:
            core.unsaved.firsts.setdefault((name, first[1]), []).append(first)
    return voice


def take(core: Core, members: Members, voice: NDArray[np.uint64]) -> None:
    """Note members: first ticks of new brands, what snapshots need, samples to show."""
    touched, at_first = np.unique(members.row, return_index=True)
    new = core.track.start[touched] == LONG_AGO
    for i, start in zip(touched[new].tolist(), members.tick[at_first[new]].tolist(), strict=True):
        core.track.start[i] = start
        core.gaps.add(i, LONG_AGO, start - 1)
    name, tick, minute = core.index[members.row], members.tick, members.minute
    core.dirty.update(core.index[touched].tolist())
    own_voice = members.negative & (voice == members.author)
    core.unsaved.chunks.append((name, tick, minute, members.author, member_flags(own_voice)))
    copied = np.nonzero(members.negative & (voice != members.author))[0]
    if len(copied):
        flags = np.full(len(copied), IS_NEGATIVE, np.uint8)
        core.unsaved.chunks.append((name[copied], tick[copied], minute[copied], voice[copied], flags))
    for i in np.nonzero(members.negative)[0].tolist():
        sample = _sample(members, i)
        if core.evidence.keep(int(name[i]), sample):
            core.unsaved.samples.setdefault((int(name[i]), int(tick[i])), []).append(sample)


def _sample(members: Members, i: int) -> Sample:
    observations, j = members.observations, members.begin + i
    reach = float(observations.reach[j])
    return Sample(
        int(members.tick[i]),
        int(members.author[i]),
        observations.id[j],
        writable(observations.text[j][:EXCERPT]),
        observations.url[j],
        round(float(observations.p_negative[j]), 4),
        None if np.isnan(reach) else reach,
    )
