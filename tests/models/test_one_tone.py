"""One text, one tone: bit-equal in any company. Else a replay would give other events than the live run."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.bundled import load_bundled
from models.classifier import Classifier
from models.errors import ModelError
from models.network import Network
from models.shapes import buckets_up_to
from models.tokeniser import MAX_TOKENS
from models.tone import ModelId
from tests.models.texts import corpus

TEXTS = corpus(240)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def alone(bundled: Classifier) -> NDArray[np.float32]:
    """Tone of each text in a call of its own."""
    return np.concatenate([bundled.predict([text]) for text in TEXTS])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_company_order_and_repetition_do_not_matter(
    bundled: Classifier, alone: NDArray[np.float32], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(TEXTS) - 1), min_size=1, max_size=60))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(chosen)), max_size=4)) | {0, len(chosen)})
    parts = [bundled.predict([TEXTS[i] for i in chosen[a:b]]) for a, b in itertools.pairwise(cuts)]
    assert np.array_equal(np.concatenate(parts), alone[chosen])


def test_full_batches_give_the_tone_of_a_text_alone(bundled: Classifier, alone: NDArray[np.float32]) -> None:
    # Each bucket filled beyond its full batch with variants of our texts, our texts among them at every place.
    crowd = [f"{text} {number}" for number in range(4) for text in TEXTS]
    order = np.random.default_rng(3).permutation(len(crowd) + len(TEXTS))
    mixed = [*TEXTS, *crowd]
    tones = bundled.predict([mixed[index] for index in order])
    back = np.empty_like(tones)
    back[order] = tones
    assert np.array_equal(back[: len(TEXTS)], alone)


@pytest.mark.parametrize("threads", [1, 3])
def test_number_of_threads_does_not_matter(alone: NDArray[np.float32], bundled: Classifier, threads: int) -> None:
    model = load_bundled(threads=threads)
    assert model.id == bundled.id
    assert np.array_equal(model.predict(TEXTS), alone)
    model.close()


def test_torch_threads_of_the_process_do_not_matter(bundled: Classifier, alone: NDArray[np.float32]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert np.array_equal(bundled.predict(TEXTS), alone)
    finally:
        torch.set_num_threads(before)


def test_callers_in_several_threads_do_not_disturb_each_other(bundled: Classifier, alone: NDArray[np.float32]) -> None:
    found: dict[int, NDArray[np.float32]] = {}

    def call(offset: int) -> None:
        found[offset] = bundled.predict([*TEXTS[offset:], *TEXTS[:offset]])

    callers = [threading.Thread(target=call, args=(offset,)) for offset in (0, 17, 101)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for offset, tones in found.items():
        assert np.array_equal(tones, np.concatenate([alone[offset:], alone[:offset]]))
    assert len(found) == len(callers)


def test_another_process_gives_the_same_bits_and_version(bundled: Classifier, alone: NDArray[np.float32]) -> None:
    program = (
        "import json, sys; from models.bundled import load_bundled as load; m = load(threads=1, cache_size=0); "
        "texts = json.load(sys.stdin); print(json.dumps([m.id.version, m.predict(texts[::-1]).tobytes().hex()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(TEXTS), capture_output=True, text=True, cwd=ROOT, check=True
    )
    version, bits = json.loads(done.stdout)
    assert version == bundled.id.version
    assert bits == alone[::-1].tobytes().hex()


def test_remembered_tones_are_the_computed_ones(alone: NDArray[np.float32]) -> None:
    model = load_bundled(threads=2, cache_size=100)
    model.predict(TEXTS)
    assert (model.cache_hits, model.cache_misses) == (0, len(TEXTS))
    recent = TEXTS[-5:]
    assert np.array_equal(model.predict([*recent, *recent]), np.concatenate([alone[-5:], alone[-5:]]))
    # A cache of 100 cannot have kept all; whatever it kept and whatever it computed anew is the same.
    assert np.array_equal(model.predict(TEXTS), alone)
    assert model.cache_hits + model.cache_misses == 2 * len(TEXTS) + 10
    assert model.cache_hits >= 5
    model.close()


def test_every_bucket_offers_small_batches(bundled: Classifier) -> None:
    # Else a single mention would wait for a batch of a thousand tokens; no matter for tone, much for delay.
    assert set(bundled.row_counts) == set(buckets_up_to(MAX_TOKENS))
    for rows in bundled.row_counts.values():
        assert list(rows) == sorted(rows)
        assert len(rows) >= 1


class FickleNetwork:
    """A backend whose result depends on the neighbours, as dynamic quantisation does."""

    description = "fickle"
    any_shape = False

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        tones = np.full((len(ids), 3), 1 / 3, dtype=np.float32)
        tones[:, 0] += np.arange(len(ids)) * 1e-6
        return tones


class RoundedNetwork:
    """The same, but rounding hides it in the probabilities of the texts of the check."""

    description = "rounded"
    any_shape = False

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.unrounded(ids, lengths)[:, 3:]

    def unrounded(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        both = np.full((len(ids), 6), 1 / 3, dtype=np.float32)
        both[:, 0] += np.arange(len(ids)) * 1e-6
        return both


class SizeDependentNetwork:
    """A backend whose result depends on the number of rows, but not on which they are."""

    description = "size-dependent"
    any_shape = False

    def __call__(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.full((len(ids), 3), 1 / 3 + (1e-6 if len(ids) < 4 else 0.0), dtype=np.float32)


def _around(network: Network, bundled: Classifier) -> Classifier:
    return Classifier(
        ModelId("test", "0"), network, bundled._tokenise, 30_522, str.strip, tokens_per_batch=512, threads=1
    )


@pytest.mark.parametrize("network", [FickleNetwork(), RoundedNetwork()])
def test_a_backend_that_minds_its_neighbours_is_refused(bundled: Classifier, network: Network) -> None:
    with pytest.raises(ModelError, match="changes with its neighbours"):
        _around(network, bundled)


def test_row_counts_with_other_bits_are_not_offered(bundled: Classifier) -> None:
    model = _around(SizeDependentNetwork(), bundled)
    assert min(min(rows) for rows in model.row_counts.values()) >= 4
    assert np.unique(model.predict(["a", "b", "c"])).size == 1
    model.close()
