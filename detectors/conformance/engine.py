"""What holds for a whole engine, whatever detectors are in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from detectors.config import BrandProfile, EngineConfig
from detectors.conformance.broken import Broken
from detectors.conformance.examples import START
from detectors.detector import Detector
from detectors.engine import Engine
from detectors.incidents import Decision
from detectors.observations import Observations

_QUICK = EngineConfig(warm_hours=2.0, settled_hours=4.0, cold_days=1, min_page_authors=4, min_ticket_authors=3)
"""Constants under which a day and a half shows tickets, pages and return levels at work."""
_ENGINE_HOURS = 36


@dataclass
class World:
    """Mentions of three brands, each with a crisis that has a subject, some late, and one feed that falls silent."""

    detectors: tuple[Detector, ...]
    brands: list[BrandProfile]
    observations: Observations
    end: int
    _expected: tuple[list[Decision], dict[str, bytes]] | None = field(default=None)

    @staticmethod
    def of(seed: int, detectors: tuple[Detector, ...]) -> World:
        """Made of a seed."""
        rng = np.random.default_rng(seed)
        n, minutes = 3, 60 * _ENGINE_HOURS
        zones = ("UTC", "America/New_York", "Asia/Kolkata")
        rate = rng.uniform(0.1, 0.4, (n, 1)) * np.ones((n, minutes))
        share = np.full((n, minutes), 0.2)
        hot = np.zeros((n, minutes), np.bool_)
        for b in range(n):
            at = int(rng.integers(600, minutes - 300))
            rate[b, at : at + 120] *= rng.choice([4.0, 15.0, 40.0])
            share[b, at : at + 120] = 0.75
            hot[b, at : at + 120] = True
        rate[0, 900:1150] = 0.0
        brand, minute = np.nonzero(rng.poisson(rate))
        m = len(brand)
        minute = minute + START
        tick = minute + np.where(rng.random(m) < 0.1, rng.integers(0, 200, m), 0)
        order = np.lexsort((brand, tick))
        brand, minute, tick = brand[order], minute[order], tick[order]
        negative = rng.random(m) < share[brand, minute - START]
        observations = Observations(
            tick=tick,
            minute=minute,
            brand=brand.astype(np.int32),
            author=rng.integers(1, 500, m).astype(np.uint64),
            negative=negative,
            p_negative=negative.astype(np.float32),
            kind=np.zeros(m, np.uint8),
            reach=np.full(m, np.nan),
            id=[str(j) for j in range(m)],
            text=[f"text {j}{' strike' * about}" for j, about in enumerate(hot[brand, minute - START].tolist())],
            url=[None] * m,
        )
        brands = [BrandProfile(f"brand {b}", budget=1.0 + b, time_zone=zones[b]) for b in range(n)]
        return World(detectors, brands, observations, int(tick[-1]) + 30)

    def engine(self, brands: Sequence[BrandProfile] | None = None) -> Engine:
        """A new one, of all brands unless told otherwise."""
        return Engine(self.brands if brands is None else brands, _QUICK, detectors=self.detectors)

    def between(self, after: int, upto: int) -> Observations:
        """Observations of ticks after < tick <= upto."""
        tick = self.observations.tick
        return self.observations.rows(np.nonzero((tick > after) & (tick <= upto))[0])

    def run(self, engine: Engine, cuts: Sequence[int] = ()) -> list[Decision]:
        """Give it everything, in calls up to each of `cuts`."""
        out, at = [], -1
        for stop in sorted({*cuts, self.end}):
            out += engine.advance(stop, self.between(at, stop))
            at = stop
        return out

    def expected(self) -> tuple[list[Decision], dict[str, bytes]]:
        """Decisions and scores of a plain run."""
        if self._expected is None:
            engine = self.engine()
            self._expected = self.run(engine), _standing(engine)
        return self._expected

    def compare(self, decisions: list[Decision], engine: Engine, how: str) -> None:
        """Raise Broken unless decisions and what they rest on are those of a plain run."""
        expected, standing = self.expected()
        _same_decisions(decisions, expected, how)
        for name, bits in _standing(engine).items():
            if bits != standing.get(name):
                raise Broken(f"scores or thresholds of {name} at the end are others {how}")


def _standing(engine: Engine) -> dict[str, bytes]:
    levels = engine.levels()
    return {
        name: b"".join(a[i].tobytes() for a in (levels.score, levels.threshold, levels.ticket_threshold))
        for i, name in enumerate(levels.brands)
    }


def _same_decisions(got: list[Decision], expected: list[Decision], how: str) -> None:
    for a, b in itertools.zip_longest(got, expected):
        if a != b:
            raise Broken(f"the first decision that differs {how}:\n  {_short(b)}\n  {_short(a)}")


def _short(decision: Decision | None) -> str:
    if decision is None:
        return "(none)"
    d = decision
    return f"{d.brand}, tick {d.tick}: {d.type} {d.notify}, {d.detector} {d.score} against {d.threshold}, {d.reason}"


def _grouping(world: World) -> None:
    middle = START + 60 * 20
    cuts = [*range(middle, middle + 130), *range(START + 37, world.end, 613)]
    engine = world.engine()
    world.compare(world.run(engine, cuts), engine, "when ticks are grouped otherwise")


def _order(world: World) -> None:
    expected, standing = world.expected()
    for chosen in ([2, 0, 1], [1], [0, 2]):
        place = np.full(len(world.brands), -1)
        place[chosen] = np.arange(len(chosen))
        rows = np.nonzero(place[world.observations.brand] >= 0)[0]
        part = world.observations.rows(rows)
        part = replace(part, brand=place[part.brand].astype(np.int32))
        engine = world.engine([world.brands[b] for b in chosen])
        got = engine.advance(world.end, part)
        names = {world.brands[b].name for b in chosen}
        how = f"when only {', '.join(world.brands[b].name for b in chosen)} are watched, in this order"
        _same_decisions(got, [d for d in expected if d.brand in names], how)
        if any(bits != standing[name] for name, bits in _standing(engine).items()):
            raise Broken(f"scores or thresholds at the end are others {how}")


def _look_ahead(world: World) -> None:
    expected, _ = world.expected()
    for cut in (START + 60 * 13 + 7, START + 60 * 25 + 31):
        got = world.engine().advance(cut, world.between(-1, cut))
        _same_decisions(got, [d for d in expected if d.tick <= cut], f"without the future after tick {cut}")


def _snapshots(world: World) -> None:
    engine, out, at = world.engine(), [], -1
    stored: dict[bytes, bytes] = {}
    for stop in (START + 60 * 5 + 3, START + 60 * 14, START + 60 * 24 - 1, START + 60 * 27 + 11, world.end):
        out += engine.advance(stop, world.between(at, stop))
        at = stop
        for key, value in engine.changes().items():
            if value is None:
                stored.pop(key, None)
            else:
                stored[key] = value
        engine = world.engine()
        engine.restore(stored.items())
    # Levels of a brand that is caught up later are asked for where all have arrived.
    _same_decisions(out, world.expected()[0], "when it is saved and restored four times in between")


def _state_dict(world: World) -> None:
    middle = START + 60 * 25 + 7
    first = world.engine()
    out = first.advance(middle, world.between(-1, middle))
    second = world.engine()
    second.load_state_dict(first.state_dict())
    out += second.advance(world.end, world.between(middle, world.end))
    world.compare(out, second, "when it goes on from another's state_dict")


def _inputs(world: World) -> None:
    names = ("tick", "minute", "brand", "author", "negative", "p_negative", "kind", "reach")
    before = {name: getattr(world.observations, name).copy() for name in names}
    world.engine().advance(world.end, world.observations)
    for name, array in before.items():
        if not np.array_equal(getattr(world.observations, name), array, equal_nan=array.dtype.kind == "f"):
            raise Broken(f"the column {name} of the observations was changed")


def _memory(world: World) -> None:
    """The same day, lived through again and again, is remembered once."""
    day = world.between(START + 360, START + 1440)
    engine = world.engine()
    sizes = []
    for again in range(4):
        shifted = replace(day, tick=day.tick + 1440 * again, minute=day.minute + 1440 * again)
        engine.advance(START + 1440 * (again + 1), shifted)
        engine.changes()
        sizes.append(engine.nbytes())
    if sizes[-1] > 1.1 * sizes[1]:
        raise Broken(f"bytes of the state after each of four equal days: {sizes}")


PROPERTIES: dict[str, Callable[[World], None]] = {
    "engine: grouping of ticks does not matter": _grouping,
    "engine: order and company of brands do not matter": _order,
    "engine: no look-ahead": _look_ahead,
    "engine: snapshots do not matter": _snapshots,
    "engine: state survives saving": _state_dict,
    "engine: inputs are not changed": _inputs,
    "engine: memory is bounded": _memory,
}
"""Name -> what tries it on an engine."""
