"""A group of brands that stand at the same closed tick: all their state, and nothing that happens to it.

What happens is elsewhere: `blocks` moves a group on, `members` takes mentions in, `segment` scores and decides,
`learning` learns at the ends of hours and days, `snapshots` writes and reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.baseline import Baseline
from detectors.budget import Budget
from detectors.casebook import Casebook, Made
from detectors.columns import Columns, Floats, Ints
from detectors.commands import Applied, Command
from detectors.config import BrandProfile, EngineConfig
from detectors.copies import Copies
from detectors.detector_set import BUILT_IN_SET, DetectorSet
from detectors.evidence import Evidence, Sample, ignored
from detectors.exposure import Exposure
from detectors.gaps import Gaps
from detectors.incidents import Incident
from detectors.ledger import Account, account
from detectors.model_versions import ModelVersions
from detectors.recording import Recorder
from detectors.topics import Topics
from detectors.track import Track
from detectors.unsaved import Unsaved
from detectors.windows import LONG_AGO, WIDTHS, Windows


@dataclass(frozen=True, slots=True)
class LastTick:
    """Of the tick closed last, what learning at the end of an hour needs."""

    exposure: Floats
    """(2, 5, n) of each window, in hours of the rhythm of authors and of negative authors."""
    counts: Ints
    """(3, 5, n), see windows.Windows."""


class Core:
    """State of some brands at one closed tick.

    Parameters
    ----------
    profiles : all brands of the engine
    index : (n,) positions of this core's brands among them, ascending
    versions : of the detectors and of the tone model, told in every event
    detectors : which judge
    """

    def __init__(
        self,
        profiles: Sequence[BrandProfile],
        index: Ints,
        config: EngineConfig,
        versions: tuple[str, str],
        detectors: DetectorSet = BUILT_IN_SET,
    ) -> None:
        n = len(index)
        self.profiles, self.index, self.config, self.versions = profiles, index, config, versions
        self.detectors = detectors
        self.closed: int | None = None
        lengths = {"detectors": len(detectors)}
        self.baseline, self.gaps = Baseline.of(n), Gaps.of(n)
        self.budget, self.track = Budget.of(n, lengths), Track.of(n, lengths)
        self.learned = detectors.nothing_learned(n)
        """What detectors have learned, by their names."""
        self.models = ModelVersions.of(n)
        self.model_names: dict[int, str] = {}
        """Name and version of the tone models met, by code."""
        self.windows = Windows(index, config.exact_authors)
        self.evidence = Evidence()
        self.topics = Topics()
        self.copies = Copies()
        self.incidents: dict[int, Incident] = {}
        """By position in the engine, as in `dirty` and `relearned`; see `row`."""
        self.casebooks: dict[int, Casebook] = {}
        """Of brands that have had a ticket, a page or a command."""
        self.with_plans: set[int] = set()
        """Brands that have a planned event or a mute."""
        self.commands: list[tuple[tuple[int, int, str], int, Command]] = []
        """Known and not applied yet: order, position of the brand and command, sorted."""
        self.applied: list[Applied] = []
        self.unsaved = Unsaved()
        self.dirty: set[int] = set()
        """Brands with anything new since the last snapshot."""
        self.relearned: set[int] = set()
        """Brands whose hourly record has changed since the last snapshot."""
        self.recorder: Recorder | None = None
        self.hours_at_once = 24
        """How many to try to pass at once (see hours_at_once); it changes no result."""
        self.budgets = np.array([profiles[int(i)].budget for i in index], np.float64)
        """(n,) pages a month that were agreed."""
        self.exposure = Exposure([profiles[int(i)].time_zone for i in index])
        self.last = LastTick(np.zeros((2, len(WIDTHS), n)), np.zeros((3, len(WIDTHS), n), np.int64))
        self.ignored_terms = {
            position: ignored(profiles[position].name, profiles[position].ignore_terms) for position in index.tolist()
        }
        """Terms that are never shown nor counted, by position, since every mention of the brand has them."""
        self.set_thresholds()

    def __len__(self) -> int:
        return len(self.index)

    def row(self, position: int) -> int:
        """The row of the brand at this position of the engine."""
        return int(np.searchsorted(self.index, position))

    def set_thresholds(self) -> None:
        """Compute the thresholds anew: after a day, and after a restore, as the budget may have changed meanwhile."""
        self.budget.set_thresholds(self.budgets, self.config, self.detectors)

    def started(self, i: int) -> bool:
        """Whether brand i has had a member."""
        return bool(self.track.start[i] != LONG_AGO)

    @property
    def asleep(self) -> bool:
        """Whether no brand has had a member, or each has begun anew since (see anew): nothing changes in time."""
        return self.recorder is None and not self.track.started.any()

    def remembered(self, i: int) -> bool:
        """Whether brand i has had a member or a command."""
        return self.started(i) or int(self.index[i]) in self.casebooks

    def model_of(self, i: int) -> str:
        """Name and version of the tone model that brand i's negatives are counted by."""
        return self.model_names.get(int(self.models.model[i]), self.versions[1])

    def account(self, i: int, tick: int, made: Made | None = None) -> Account:
        """How the pages of brand i have turned out up to a closed tick.

        Parameters
        ----------
        made : what its portfolio made of them, whether or not the brand has been told yet
        """
        position = int(self.index[i])
        profile = self.profiles[position]
        start = int(self.track.start[i]) if self.started(i) else None
        offset = float(self.budget.offset[i])
        book = self.casebooks.get(position)
        if book is not None and made:
            book = book.corrected(made)
        return account(profile.name, profile.budget, start, tick, book, offset)

    def note_plans(self, position: int) -> None:
        """See anew whether a brand has a planned event or a mute."""
        book = self.casebooks.get(position)
        if book is not None and book.plans:
            self.with_plans.add(position)
        else:
            self.with_plans.discard(position)

    def samples(self, position: int) -> list[Sample]:
        """Negative mentions kept of a brand."""
        return list(self.evidence.samples.get(position, ()))

    def everything_is_new(self) -> None:
        """Let the next snapshot hold everything: nothing of this state was saved yet."""
        closed = 0 if self.closed is None else self.closed
        for i, position in enumerate(self.index.tolist()):
            if self.remembered(i):
                self.dirty.add(position)
                self.relearned.add(position)
                minute, author, flags = self.windows.dump(i)
                if not len(minute):
                    continue
                whole = (np.full(len(minute), position), np.full(len(minute), closed), minute, author, flags)
                self.unsaved.chunks.append(whole)
                self.unsaved.samples[position, closed] = self.samples(position)
                self.unsaved.firsts[position, closed] = self.copies.of(position)
                self.unsaved.sketches[position, closed] = self.windows.sketches(i)

    def nbytes(self) -> int:
        """Bytes of the arrays of the state."""
        columns: tuple[Columns, ...] = (
            self.baseline,
            self.gaps,
            self.budget,
            self.track,
            self.models,
            *self.learned.values(),
        )
        arrays = self.windows.nbytes() + self.copies.nbytes() + self.exposure.nbytes()
        return sum(c.nbytes() for c in columns) + arrays

    @staticmethod
    def merge(parts: Sequence[Core]) -> Core:
        """One core of all brands of cores that stand at the same tick."""
        first = parts[0]
        index = np.concatenate([p.index for p in parts])
        order = np.argsort(index)
        whole = Core(first.profiles, index[order], first.config, first.versions, first.detectors)
        whole.closed, whole.recorder = first.closed, first.recorder
        whole.unsaved.wanted = first.unsaved.wanted
        whole.baseline = Baseline.concat([p.baseline for p in parts], order)
        whole.gaps = Gaps.concat([p.gaps for p in parts], order)
        whole.budget = Budget.concat([p.budget for p in parts], order)
        whole.track = Track.concat([p.track for p in parts], order)
        whole.models = ModelVersions.concat([p.models for p in parts], order)
        whole.learned = {
            name: type(own).concat([p.learned[name] for p in parts], order) for name, own in whole.learned.items()
        }
        whole.windows = Windows.merge(
            [p.windows for p in parts], index[order], 0 if first.closed is None else first.closed
        )
        whole.copies = Copies.merge([p.copies for p in parts])
        for p in parts:
            whole.evidence.samples.update(p.evidence.samples)
            whole.evidence.normal.update(p.evidence.normal)
            whole.topics.take_over(p.topics)
            whole.incidents.update(p.incidents)
            whole.model_names.update(p.model_names)
            whole.casebooks.update(p.casebooks)
            whole.with_plans |= p.with_plans
            whole.applied.extend(p.applied)
            whole.commands.extend(p.commands)
            whole.unsaved.take_over(p.unsaved)
            whole.dirty |= p.dirty
            whole.relearned |= p.relearned
        whole.commands.sort()
        return whole
