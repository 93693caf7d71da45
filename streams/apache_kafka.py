"""Apache Kafka for development and tests: one node in KRaft mode on loopback, fetched by Maven, run by Java.

Its settings and version lie in ``deploy/kafka``. Needs nothing but the standard library, so that ``make kafka`` works
before anything is installed::

    python -m streams.apache_kafka start --data-dir .tocsin/kafka --port 9092
    python -m streams.apache_kafka stop --data-dir .tocsin/kafka
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Final, Self

from streams.brokers import HOST, BrokerError, ServerProcess, free_ports, refuse_taken_port

#: Where its files lie in a checkout: pom.xml, the template of its settings, and lib/ once it was fetched.
KAFKA_HOME: Final = Path(__file__).resolve().parent.parent / "deploy" / "kafka"

#: Start-up time is what matters here: one collector thread, and the compiler stops after its first stage.
JAVA_OPTIONS: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")


class ApacheKafka:
    """One node of Apache Kafka that keeps its data in a directory; the interface is ``streams.brokers.Broker``.

    Parameters
    ----------
    data_dir
        Holds the log, the settings made from the template, ``kafka.pid`` and ``kafka.log``. A start on the same
        directory finds the same topics, also after a crash.
    port
        Port for clients; by default the one used before in this directory, else a free one.
    home
        Directory with ``pom.xml`` and the template; jars are fetched into its ``lib/`` when they are not there.
    """

    def __init__(self, data_dir: Path, port: int | None = None, home: Path = KAFKA_HOME) -> None:
        self.data_dir = data_dir
        self.home = home
        self._settings = data_dir / "server.properties"
        self._pid_file = data_dir / "kafka.pid"
        self._process: ServerProcess | None = None
        # The controller's port is written into the quorum when the storage is formatted, so it is kept.
        kept_port, self._controller_port = _ports_in(self._settings) or free_ports(2)
        self.port = port if port is not None else kept_port

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the broker that runs on this data directory, whoever started it; None where none runs."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        # After a reboot the number may belong to another process, which is not ours to signal.
        return pid if str(self._settings.resolve()) in _command_line(pid) else None

    def start(self, timeout: float = 60.0) -> None:
        """Fetch what is missing, format the storage once, start, and wait until requests are answered.

        Raises BrokerError where java or mvn is missing, the port is taken, or Kafka is not up within `timeout` seconds.
        """
        if (pid := self.pid) is not None:
            raise BrokerError(f"Apache Kafka already runs on {self.data_dir} (process {pid})")
        java = _tool("java", "Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)")
        jars = fetch(self.home)
        refuse_taken_port(self.port)
        log_dir = self.data_dir.resolve() / "log"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        template = Template((self.home / "server.properties.in").read_text())
        self._settings.write_text(
            template.substitute(port=self.port, controller_port=self._controller_port, log_dir=log_dir)
        )
        logging = f"-Dlog4j2.configurationFile={self.home / 'log4j2.xml'}"
        command = [java, *JAVA_OPTIONS, logging, "-cp", f"{jars}/*"]
        if not (log_dir / "meta.properties").exists():
            _format(command, self._settings)
        process = ServerProcess(
            [*command, "kafka.Kafka", str(self._settings.resolve())], self.data_dir / "kafka.log", os.environ
        )
        self._pid_file.write_text(f"{process.pid}\n")
        process.wait_until_ready(self.bootstrap, timeout, "Apache Kafka")
        self._process = process

    def stop(self, timeout: float = 30.0) -> None:
        """Ask it to end and wait; kill it after `timeout` seconds. Also one that another process started here."""
        if self._process is not None:
            self._process.stop(timeout)
        elif (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM)
            if not self._gone_within(timeout):
                os.kill(pid, signal.SIGKILL)
                self._gone_within(10.0)
        self._forget()

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would; the data directory stays as it is."""
        if self._process is not None:
            self._process.kill()
        elif (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self._gone_within(10.0)
        self._forget()

    def _gone_within(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _forget(self) -> None:
        self._process = None
        self._pid_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def fetch(home: Path = KAFKA_HOME) -> Path:
    """Fetch the jars by Maven into ``home/lib``, unless those of this very ``pom.xml`` are there; returns ``lib``."""
    pom, lib = home / "pom.xml", home / "lib"
    if not pom.exists():
        raise BrokerError(f"{pom} is missing: Apache Kafka is started from a checkout, not from an installed package")
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    stamp = lib / ".pom.sha256"
    # One process at a time: tests that run side by side must not fetch into the same directory.
    (home / "target").mkdir(exist_ok=True)
    with (home / "target" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            mvn = _tool("mvn", "Maven (Debian: apt-get install maven)")
            shutil.rmtree(lib, ignore_errors=True)
            print(f"Fetching Apache Kafka by Maven into {lib} (43 MB)", file=sys.stderr, flush=True)
            _run([mvn, "-B", "-f", str(pom), "dependency:copy-dependencies"], "Maven could not fetch Apache Kafka")
            stamp.write_text(wanted)
    return lib


def _format(java: Sequence[str], settings: Path) -> None:
    # The id is a UUID in base 64; one that begins with a dash would be read as an option.
    cluster = "T" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
    tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(settings)]
    _run([*java, *tool], f"Kafka could not format its storage in {settings.parent}")


def _run(command: Sequence[str], failure: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"{failure} (status {done.returncode}):\n{(done.stdout + done.stderr)[-4000:]}")


def _tool(name: str, advice: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise BrokerError(f"'{name}' is not on the PATH: Apache Kafka needs {advice}")
    return path


def _ports_in(settings: Path) -> tuple[int, int] | None:
    """Ports for clients and for the controller in the settings of an earlier start."""
    if not settings.exists():
        return None
    ports = re.search(r"^listeners=PLAINTEXT://.*:(\d+),CONTROLLER://.*:(\d+)$", settings.read_text(), re.MULTILINE)
    return (int(ports[1]), int(ports[2])) if ports else None


def _command_line(pid: int) -> str:
    """Command line of a process; empty where it does not run."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``make kafka`` and ``make kafka-stop``; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m streams.apache_kafka", description="Apache Kafka on loopback.")
    parser.add_argument("action", choices=("fetch", "start", "stop"))
    parser.add_argument("--data-dir", type=Path, default=Path(".tocsin/kafka"), help="default: %(default)s")
    parser.add_argument("--port", type=int, help="default: the one used before in the data directory, else 9092")
    options = parser.parse_args(argv)
    kafka = ApacheKafka(options.data_dir)
    try:
        pid = kafka.pid
        if options.action == "fetch":
            print(f"Apache Kafka is in {fetch()}")
        elif options.action == "stop":
            kafka.stop()
            outcome = "does not run" if pid is None else "has ended; its data is kept"
            print(f"Apache Kafka on {kafka.data_dir} {outcome}")
        elif pid is not None:
            print(f"Apache Kafka already runs on {kafka.data_dir} (process {pid}): {kafka.bootstrap}")
        else:
            fresh = _ports_in(options.data_dir / "server.properties") is None
            kafka.port = options.port or (9092 if fresh else kafka.port)
            kafka.start()
            print(f"Apache Kafka runs (process {kafka.pid}, log {kafka.data_dir / 'kafka.log'}): {kafka.bootstrap}")
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
