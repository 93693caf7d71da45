"""When bad records are too many to be an accident: a limit that stops the worker loudly. Knows no Kafka."""

from __future__ import annotations

from collections import deque


class TooManyRejectedError(RuntimeError):
    """Bad records in a row, or too high a share of them: the feed is broken, and going on would hide it."""


class RejectionLimit:
    """Watches the verdicts on records in the order they come.

    Parameters
    ----------
    in_a_row : int
        So many bad records one after the other stop the worker.
    share : float
        So does a share of bad records above this, from 0 to 1 ...
    over : int
        ... among this many last records.
    """

    def __init__(self, *, in_a_row: int = 100, share: float = 0.5, over: int = 1000) -> None:
        self._in_a_row, self._share, self._over = in_a_row, share, over
        self._run = 0
        self._bad = 0
        self._last: deque[bool] = deque()

    def observe(self, *, bad: bool, why: str = "") -> None:
        """Take the verdict on the next record.

        Raises
        ------
        TooManyRejectedError
            When a limit is crossed; it names the limit, the last reason and what to do.
        """
        self._run = self._run + 1 if bad else 0
        self._last.append(bad)
        self._bad += bad
        if len(self._last) > self._over:
            self._bad -= self._last.popleft()
        if self._run >= self._in_a_row:
            found = f"{self._run} records in a row were rejected (limits.rejected_in_a_row = {self._in_a_row})"
        elif len(self._last) >= self._over and self._bad > self._share * self._over:
            found = (
                f"{self._bad} of the last {self._over} records were rejected (limits.rejected_share = {self._share})"
            )
        else:
            return
        raise TooManyRejectedError(
            f"{found}; the last one: {why}. Look at the topic mentions.rejected (each record has its reason, topic, "
            "partition and offset in its headers) and mend what writes them; to read on regardless, raise the limit."
        )
