"""Taking members of ticks in: for whom each counts, and what is kept of it for snapshots and for people to read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Ints
from detectors.copies import First
from detectors.core import Core
from detectors.evidence import EXCERPT, PER_TICK, Sample, packed_buckets, writable
from detectors.near_copies import mark
from detectors.observations import Observations
from detectors.topics import Kept
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
    for key, post in firsts if core.unsaved.wanted else ():
        first = First.of(key, post)
        core.unsaved.firsts.setdefault((first.brand, first.tick), []).append(first)
    voice[at] = np.array(out, np.uint64)
    return voice


@dataclass(frozen=True, slots=True)
class Came:
    """Members of some ticks with what is made of them."""

    members: Members
    voice: NDArray[np.uint64]
    """For whom each counts where it is negative, (m,)."""
    kept: Kept
    """Samples of these ticks, and maybe of others."""

    def rows(self, begin: int, end: int) -> Came:
        """Some of them."""
        return Came(self.members.rows(begin, end), self.voice[begin:end], self.kept)


def samples_of(core: Core, members: Members, voice: NDArray[np.uint64]) -> Kept:
    """The first few negative members of each brand and tick, to be shown and to see what they are about."""
    at = np.nonzero(members.negative)[0]
    if len(at) > PER_TICK:
        # Behind how many of its brand and tick each one is.
        row, tick = members.row[at], members.tick[at]
        order = np.lexsort((row, tick))
        edge = np.append(True, (np.diff(row[order]) != 0) | (np.diff(tick[order]) != 0))
        starts = np.nonzero(edge)[0]
        rank = np.empty(len(at), np.int64)
        rank[order] = np.arange(len(at)) - starts[np.cumsum(edge) - 1]
        at = at[rank < PER_TICK]
    place = members.begin + at
    observations = members.observations
    brands = core.index[members.row[at]].tolist()
    author, spoken_for = members.author[at], voice[at]
    columns = (
        members.tick[at].tolist(),
        author.tolist(),
        np.where(spoken_for == author, 0, spoken_for).tolist(),
        place.tolist(),
        observations.p_negative[place].tolist(),
        observations.reach[place].tolist(),
    )
    samples = []
    for brand, tick, who, whose, j, p, reach in zip(brands, *columns, strict=True):
        text = writable(observations.text[j][:EXCERPT])
        reached, used = None if math.isnan(reach) else reach, packed_buckets(text, core.ignored_terms[brand])
        id_, url = observations.id[j], observations.url[j]
        samples.append(Sample(tick, who, id_, text, url, round(p, 4), reached, whose, used))
    return Kept(place, brands, samples)


def take(core: Core, came: Came) -> None:
    """Note members: first ticks of new brands, what snapshots need, those of the samples that are among them."""
    members, voice, kept = came.members, came.voice, came.kept
    touched, at_first = np.unique(members.row, return_index=True)
    new = core.track.start[touched] == LONG_AGO
    for i, start in zip(touched[new].tolist(), members.tick[at_first[new]].tolist(), strict=True):
        core.track.start[i] = start
        core.gaps.add(i, LONG_AGO, start - 1)
    for learned in core.learned.values():
        # Hours before a brand's first mention teach nothing, however many there were.
        learned.begin_anew(touched[new])
    core.dirty.update(core.index[touched].tolist())
    if core.unsaved.wanted:
        _keep_for_snapshot(core, members, voice)
    begin, end = np.searchsorted(kept.place, [members.begin, members.begin + len(members)]).tolist()
    brands, samples = kept.brands[begin:end], kept.samples[begin:end]
    core.evidence.add(brands, samples)
    core.topics.add(brands, samples)
    for brand, sample in zip(brands, samples, strict=True) if core.unsaved.wanted else ():
        core.unsaved.samples.setdefault((brand, sample.tick), []).append(sample)


def _keep_for_snapshot(core: Core, members: Members, voice: NDArray[np.uint64]) -> None:
    name, tick, minute = core.index[members.row], members.tick, members.minute
    own_voice = members.negative & (voice == members.author)
    core.unsaved.chunks.append((name, tick, minute, members.author, member_flags(own_voice)))
    copied = np.nonzero(members.negative & (voice != members.author))[0]
    if len(copied):
        flags = np.full(len(copied), IS_NEGATIVE, np.uint8)
        core.unsaved.chunks.append((name[copied], tick[copied], minute[copied], voice[copied], flags))
