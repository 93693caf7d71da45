"""Told to stop: SIGTERM and SIGINT from a worker's first moment on, also while a new process takes its place."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Final

import structlog

#: Where it is kept when processes were replaced of late, and how many times within how many seconds are told.
_STARTS: Final = "_TOCSIN_STARTED_AGAIN"
_MANY: Final = 5
_LATELY: Final = 600.0

log = structlog.get_logger()

#: What tells a worker to stop.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

#: How long stopping in order may take, seconds; a second or two as a rule. Docker kills after ten.
STOP_SECONDS: Final = 8.0


class StopSignals:
    """Which signal has told this process to stop. Use it from the main thread only.

    Until the event loop listens, a signal ends the process at once with status 0, since nothing is under way; from
    `hand_over` on it is only noted here, and acted on by the loop.
    """

    def __init__(self) -> None:
        #: The signal that has come, if any.
        self.told: signal.Signals | None = None
        self._loop_listens = False

    def catch(self) -> None:
        """Begin, and take what came while nobody listened: a process in another's place begins with signals blocked."""
        for one in STOP_SIGNALS:
            signal.signal(one, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def hand_over(self) -> signal.Signals | None:
        """Leave it to the event loop, whose handlers are there now; returns what has come already."""
        self._loop_listens = True
        for one in STOP_SIGNALS:
            signal.signal(one, self._note)  # the loop hears of it all the same, through its wake-up descriptor
            signal.siginterrupt(one, False)
        return self.told

    def hold(self) -> bool:
        """Keep what comes from now on for the process that takes this one's place.

        Returns
        -------
        bool
            False if a signal has come already: then nothing is kept, and this process must stop.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        for one in STOP_SIGNALS:
            # A blocked signal waits for the new process, but threads that we did not make would still take it, and it
            # would be lost with them. By default it ends them all: the worker stops, and that is what was asked for.
            # Python notes what has come before it changes the handler.
            signal.signal(one, signal.SIG_DFL)
        if self.told is None:
            return True
        self.catch()
        return False

    def _note(self, number: int, _: FrameType | None) -> None:
        self.told = signal.Signals(number)
        if not self._loop_listens:
            raise SystemExit(0)


def end_within(seconds: float) -> None:
    """End this process with status 0 if it still runs after so many seconds.

    aiokafka (0.14) does not leave a group before it has joined it, and the broker lets it wait there for members that
    have gone: up to a minute. Ending in the middle loses nothing, since only what is done has been acknowledged.
    """
    timer = threading.Timer(seconds, _end, (seconds,))
    timer.daemon = True
    timer.start()


def _end(seconds: float) -> None:
    log.warning("not stopped in order within some seconds: ending at once; nothing is lost", seconds=seconds)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _often() -> bool:
    """Whether this process has been replaced several times of late; the environment goes on to the next."""
    now = time.time()
    recent = [at for at in map(float, os.environ.get(_STARTS, "").split()) if now - at < _LATELY]
    os.environ[_STARTS] = " ".join(f"{at:.0f}" for at in [*recent, now][-_MANY:])
    return len(recent) + 1 >= _MANY


def start_again(signals: StopSignals) -> None:
    """Replace this process by a new one of the same command, as partitions are about to change hands.

    Returns only where the process has been told to stop, which it must do then: the new one would not know of it.

    Faust 0.15.3 goes through a rebalance with its fetcher running. In trials with a second worker joining in the middle
    of a replay, records were dropped without an error in 8 runs of 24, up to some hundreds of them; with its worst hole
    closed (`SeekingConsumer`) recovery still stood still at times. A fresh start from the committed offsets is the one
    path that never lost anything, in dozens of SIGKILLs; with a stable member id the group waits for it.
    """
    if not signals.hold():
        return
    log.info("the group's partitions change hands: starting again from the committed offsets")
    if _often():
        log.warning(
            "this worker has started again many times in a few minutes: "
            "do others come and go, or does another, on some machine, have the same worker.id?"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (our own command)
