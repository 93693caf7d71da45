"""The classifier: any number of texts to tones, in order, several batches in flight."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.batching import Batch, Batching, FixedShapes, Packed
from models.cache import DEFAULT_CACHE_SIZE, CachedModel
from models.errors import ModelError, UnstableBackendError
from models.network import Network
from models.selfcheck import row_counts, same_bits, same_in_any_company
from models.shapes import RowCounts, buckets_up_to, candidate_rows, full_rows
from models.tokeniser import Tokeniser
from models.tone import LABELS, ModelId

# Texts cleaned and tokenised in one go: enough to fill a batch or two while others compute, little enough to start
# early.
_WINDOW: Final = 128
# Batches handed to the pool but not yet collected, per thread: one computing, one waiting. More would only hold memory.
_IN_FLIGHT: Final = 2


def available_threads() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Classifier(CachedModel):
    """A :class:`models.tone.ToneModel` around any :class:`models.network.Network`.

    Parameters
    ----------
    model_id:
        What to put beside each tone.
    network, tokeniser:
        The model; ``vocabulary`` is its number of token ids, for the self-check.
    clean:
        Brings a text into the form the model was trained on; also the key under which tones are remembered.
    tokens_per_batch:
        Tokens of a full batch, dummies included. Bounds memory; larger is not faster once the products fill the caches.
        Texts wait for company only within a call.
    threads:
        Batches computed at once; 0 takes every processor this process may use. Does not change a bit of any tone.
    cache_size:
        Texts whose tones are remembered.

    Raises ``UnstableBackendError`` if the backend fails the self-check.
    """

    def __init__(
        self,
        model_id: ModelId,
        network: Network,
        tokeniser: Tokeniser,
        vocabulary: int,
        clean: Callable[[str], str],
        *,
        tokens_per_batch: int,
        threads: int = 0,
        cache_size: int = DEFAULT_CACHE_SIZE,
    ) -> None:
        super().__init__(model_id, cache_size)
        if threads < 0:
            raise ModelError(f"tone threads is {threads}; allowed: 0 (every processor) or a positive number")
        self._network = network
        self._tokenise = tokeniser
        self._clean = clean
        self.threads = threads or available_threads()
        self._pool, self._pool_process = self._start_pool()
        self._tokens_per_batch = tokens_per_batch
        self._rows = self._check(tokens_per_batch, vocabulary)

    @property
    def row_counts(self) -> Mapping[int, tuple[int, ...]]:
        """Row counts offered per bucket, after the self-check."""
        return {bucket: counts.rows for bucket, counts in self._rows.items()}

    def predict(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`models.tone.ToneModel.predict`. Raises ``TypeError`` for an item that is no ``str``."""
        if isinstance(texts, str):
            raise TypeError("predict takes a sequence of texts, not one text; put it in a list")
        call = _Call(self, len(texts))
        for start in range(0, len(texts), _WINDOW):
            call.add(texts[start : start + _WINDOW])
        return call.finish()

    def knows(self, text: str, lang: str | None = None) -> bool:  # noqa: ARG002
        """See :meth:`models.tone.ToneModel.knows`: whoever names a model of their own chose it for their texts."""
        return True

    def close(self) -> None:
        """Stop the threads. A later ``predict`` raises ``RuntimeError``."""
        self._pool.shutdown()

    @property
    def backend(self) -> str:
        """Which numeric backend computes, and all of the machine that can change a bit of it."""
        return self._network.description

    def batching(self) -> Batching:
        """How the texts of one call become batches: internal to the classifier and its calls."""
        if self._network.any_shape:
            return Packed(self._tokens_per_batch, self.threads, self._tokenise.pad)
        return FixedShapes(self._rows, self._tokenise.pad)

    def submit(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> Future[NDArray[np.float32]]:
        """Compute one batch in the pool: internal to the classifier and its calls."""
        if self._pool_process != os.getpid():
            # A forked child inherits the pool object but not its threads.
            self._pool, self._pool_process = self._start_pool()
        return self._pool.submit(self._network, ids, lengths)

    def _start_pool(self) -> tuple[ThreadPoolExecutor, int]:
        return ThreadPoolExecutor(max_workers=self.threads, thread_name_prefix="tone"), os.getpid()

    def _check(self, tokens_per_batch: int, vocabulary: int) -> dict[int, RowCounts]:
        buckets, pad = buckets_up_to(self._tokenise.max_tokens), self._tokenise.pad
        if self._network.any_shape:
            # From several threads at once, as predict will.
            checks = [
                self._pool.submit(same_in_any_company, self._network, self._tokenise.max_tokens, vocabulary, pad)
                for _ in range(min(self.threads, 4))
            ]
            same_bits_in_each = [check.result() for check in checks]
            if not all(same_bits_in_each):
                self._refuse("at any number of tokens")
            full = {bucket: full_rows(bucket, tokens_per_batch) for bucket in buckets}
            return {bucket: RowCounts((*candidate_rows(rows), rows)) for bucket, rows in full.items()}
        # In the pool, so that it measures what predict will do; the longest bucket first, as it takes longest.
        pending = {
            bucket: self._pool.submit(same_bits, self._network, bucket, tokens_per_batch, vocabulary, pad)
            for bucket in reversed(buckets)
        }
        same = {bucket: pending[bucket].result() for bucket in buckets}
        for bucket, found in same.items():
            if not found:
                self._refuse(f"at {bucket} tokens")
        return row_counts(same, tokens_per_batch)

    def _refuse(self, where: str) -> None:
        self._pool.shutdown()
        raise UnstableBackendError(
            f"backend {self._network.description}: {where} a text's tone changes with its neighbours in the batch, so "
            "replays would not repeat; choose another tone backend (torch-fp32 is the most conservative)"
        )


class _Call:
    """One ``predict``: texts go in window by window, full batches leave as soon as they are full, results come back in
    order.
    """

    def __init__(self, model: Classifier, size: int) -> None:
        self._model = model
        self._slot_of: list[int] = []
        self._texts: list[str] = []
        self._slots: dict[str, int] = {}
        self._tones = np.empty((size, len(LABELS)), dtype=np.float32)
        self._batching = model.batching()
        self._in_flight: deque[tuple[list[int], Future[NDArray[np.float32]]]] = deque()

    def add(self, texts: Sequence[str]) -> None:
        """Take in the next texts."""
        slots, model = self._slots, self._model
        cleaned = [*map(model._clean, texts)]
        new = [text for text in dict.fromkeys(cleaned) if text not in slots]
        first = len(slots)
        slots.update(zip(new, range(first, first + len(new)), strict=True))
        self._texts += new
        self._slot_of += map(slots.__getitem__, cleaned)
        missing: list[int] = []
        for slot, tone in enumerate(model._cache.get(new), first):
            if tone is None:
                missing.append(slot)
            else:
                self._tones[slot] = tone
        model._cache.count(hits=len(texts) - len(missing), misses=len(missing))
        ids = model._tokenise.arrays([self._texts[slot] for slot in missing])
        for batch in self._batching.add(zip(missing, ids, strict=True)):
            self._send(batch)

    def finish(self) -> NDArray[np.float32]:
        """Send what is left, collect everything: tones (n, 3) of all texts added, in their order."""
        for batch in self._batching.rest():
            self._send(batch)
        while self._in_flight:
            self._collect()
        result: NDArray[np.float32] = self._tones[np.asarray(self._slot_of, dtype=np.int64)]
        return result

    def _send(self, batch: Batch) -> None:
        while len(self._in_flight) >= _IN_FLIGHT * self._model.threads:
            self._collect()
        self._in_flight.append((batch.slots, self._model.submit(batch.ids, batch.lengths)))

    def _collect(self) -> None:
        slots, future = self._in_flight.popleft()
        tones = future.result()[: len(slots)]
        self._tones[slots] = tones
        self._model._cache.put([self._texts[slot] for slot in slots], tones)
