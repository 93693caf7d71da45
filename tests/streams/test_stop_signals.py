"""A signal to stop is never lost, not even where it comes while a new process takes a worker's place.

Each case is a process of its own, which sends the signal to itself at the very place in question.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.stop_signals import _often

ROOT = Path(__file__).parents[2]

#: Exits 9 where it runs on although it was told to stop.
PROGRAM = """
import asyncio, os, signal, sys, threading, time
from streams.stop_signals import StopSignals, start_again

place, number = sys.argv[1], signal.Signals[sys.argv[2]]
again = "AGAIN" in os.environ
os.environ["AGAIN"] = "yes"
print("again" if again else "first", flush=True)

def tell():
    os.kill(os.getpid(), number)

if again and place == "before the new one listens":
    tell()
signals = StopSignals()
signals.catch()
if place == "while starting":
    tell()
if place == "in a native callback that swallows it":
    try:
        tell()
    except SystemExit:
        pass

async def main():
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    if signals.hand_over() is not None:
        stop.set()
    if place == "while running":
        tell()
    elif not again and place in ("as it is decided", "while it is replaced", "before the new one listens", "never"):
        if place == "as it is decided":
            tell()
        start_again(signals)
    elif not stop.is_set():
        os._exit(9)
    await asyncio.wait_for(stop.wait(), 5)

if place == "while it is replaced":
    execv = os.execv
    def replaced(*command):
        tell()
        execv(*command)
    os.execv = replaced
    if "threads" in sys.argv:
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
asyncio.run(main())
"""


def run(place: str, number: signal.Signals, *more: str) -> tuple[int, list[str]]:
    """The status of the process and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, place, number.name, *more],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        timeout=30,
    )
    return done.returncode, done.stdout.decode().splitlines()


both = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


@both
@pytest.mark.parametrize(
    "place", ["while starting", "in a native callback that swallows it", "while running", "as it is decided"]
)
def test_a_signal_ends_the_process_that_it_came_to(place: str, number: signal.Signals) -> None:
    assert run(place, number) == (0, ["first"])


@both
@pytest.mark.parametrize("place", ["while it is replaced", "before the new one listens"])
def test_a_signal_ends_the_process_that_takes_its_place(place: str, number: signal.Signals) -> None:
    status, said = run(place, number)
    assert status == 0
    assert [line for line in said if line in ("first", "again")] == ["first", "again"]


@both
def test_a_signal_that_another_thread_takes_meanwhile_ends_the_process(number: signal.Signals) -> None:
    status, _ = run("while it is replaced", number, "threads")
    assert status in (0, -number)


def test_a_process_that_does_not_come_to_its_end_is_ended() -> None:
    program = "import time; from streams.stop_signals import end_within; end_within(0.1); time.sleep(20); exit(9)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=15)
    assert done.returncode == 0


def test_a_worker_that_starts_again_and_again_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("streams.stop_signals.time.time", lambda: now)
    monkeypatch.delenv("_TOCSIN_STARTED_AGAIN", raising=False)
    assert [_often() for _ in range(6)] == [False, False, False, False, True, True]
    now += 3600
    assert not _often(), "that was long ago"
    monkeypatch.delenv("_TOCSIN_STARTED_AGAIN")


def test_without_a_signal_the_new_process_runs() -> None:
    status, said = run("never", signal.SIGTERM)
    assert status == 9
    assert [line for line in said if line in ("first", "again")] == ["first", "again"]
