"""What ``tocsin doctor`` looks at before anybody relies on a set-up, and what to do about what it finds."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from streams import topics
from streams.doctor_broker import check_broker, check_clock, is_loopback
from streams.findings import Finding, Status, render, worst
from streams.settings import Settings, SettingsError, load

__all__ = ["Finding", "checks", "examine", "render", "worst"]

#: Below it, a busy brand's state and log may fill the disk before anybody looks.
FREE_BYTES: Final = 1_000_000_000


def examine(path: Path | None = None) -> list[Finding]:
    """Load the settings and check everything; settings that cannot be used are a finding like any other."""
    try:
        settings = load(path)
    except SettingsError as error:
        return [
            Finding("settings", "fail", problem, "see the settings in docs/operations.md") for problem in error.problems
        ]
    return checks(settings)


def checks(settings: Settings, wanted: Sequence[topics.TopicSpec] | None = None) -> list[Finding]:
    """Check everything that `settings` name; takes seconds, mostly for the model.

    Parameters
    ----------
    settings
        As loaded.
    wanted
        The topics that there should be; by default those of `streams.topics.specs`.
    """
    broker = list(check_broker(settings, topics.specs(settings) if wanted is None else wanted))
    answers = any(finding.name == "broker" and finding.status == "ok" for finding in broker)
    return [
        *check_brands(settings),
        *check_detectors(settings),
        *broker,
        *check_clock(settings, ask_broker=answers and not settings.worker.embedded),
        *check_model(settings),
        *check_privacy(settings),
        *check_data_dir(settings),
        *check_web(settings),
    ]


def check_brands(settings: Settings) -> Iterator[Finding]:
    """Whether each brand can be found in texts, and told from the others."""
    names = ", ".join(f"{brand.name} ({settings.budget_of(brand):g}/month)" for brand in settings.brands)
    yield Finding("brands", "ok", f"{len(settings.brands)} with their budget of false pages: {names}")
    for brand in settings.brands:
        if not brand.keywords:
            yield Finding(
                "brands",
                "warn",
                f"{brand.name} has no keywords: only mentions that name it in their field 'brand' count for it",
                "add brands.keywords, unless your sources set the field",
            )
    owners: dict[str, str] = {}
    for brand in settings.brands:
        for keyword in brand.keywords:
            owner = owners.setdefault(keyword.casefold(), brand.name)
            if owner != brand.name:
                yield Finding(
                    "brands",
                    "warn",
                    f"{owner} and {brand.name} share the keyword {keyword!r}: such a mention counts for both",
                    "give each brand keywords of its own",
                )


def check_detectors(settings: Settings) -> Iterator[Finding]:
    """Whether the detectors of installed packages can be used, if any is switched on."""
    if not settings.detectors:
        return
    from detectors.own_detectors import DetectorError
    from streams.wiring import own_detectors

    try:
        detectors = own_detectors(settings)
    except DetectorError as error:
        yield Finding("detectors", "fail", str(error), "mend or update the package, or take it out of 'detectors'")
        return
    names = ", ".join(f"{detector.name} {detector.version} ({detector.asks_for})" for detector in detectors)
    yield Finding("detectors", "ok", f"beside the built-in ones: {names}")


def check_model(settings: Settings) -> Iterator[Finding]:
    """Whether the tone model is the one it should be, and reads a few obvious texts right."""
    from models import check
    from streams.tone_model import tell_of_the_choice

    tell_of_the_choice()
    tone = settings.tone
    found_all = check(
        tone.model,
        revision=tone.revision,
        labels=tone.labels,
        threads=tone.threads,
        backend=tone.backend,
        neutral_forecasts=tone.neutral_forecasts,
    )
    for found in found_all:
        yield Finding(found.what, "ok" if found.ok else "fail", found.message)


def check_privacy(settings: Settings) -> Iterator[Finding]:
    """Whether the hashes of authors are keyed with a secret."""
    if not settings.privacy.author_key_is_public:
        yield Finding("author key", "ok", "authors are hashed with a secret key")
    elif settings.worker.embedded:
        yield Finding("author key", "ok", "the public one, which is enough for the embedded broker's passing data")
    else:
        yield Finding(
            "author key",
            "warn",
            "authors are hashed with a key that everybody knows, so that names can be guessed from the hashes",
            "set TOCSIN_AUTHOR_KEY or privacy.author_key_file to 16 bytes or more, the same for all workers "
            "(openssl rand -hex 32), before real mentions come in",
        )


def check_data_dir(settings: Settings) -> Iterator[Finding]:
    """Whether the worker can keep its state."""
    if settings.worker.store == "memory":
        yield Finding("data directory", "ok", "not needed: the state is kept in memory and in its changelog")
        return
    if importlib.util.find_spec("rocksdict") is None:
        yield Finding("data directory", "fail", "the library rocksdict is missing", "pip install rocksdict")
    wanted = settings.worker.data_dir.absolute()
    place = next(path for path in (wanted, *wanted.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        yield Finding(
            "data directory",
            "fail",
            f"{place} cannot be written to: {error.strerror}",
            f"let the user {os.environ.get('USER', 'of the worker')} write there, or set worker.data_dir",
        )
        return
    status: Status = "ok" if free >= FREE_BYTES else "warn"
    yield Finding(
        "data directory",
        status,
        f"{wanted} can be written to, {free / 1e9:.1f} GB free",
        "free some space on that disk",
    )


def check_web(settings: Settings) -> Iterator[Finding]:
    """Whether metrics and health can be served, and to whom."""
    host, port = settings.web.host, settings.web.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        yield Finding(
            "web",
            "warn",
            f"cannot listen on {host}:{port}: {error.strerror}",
            "if that is a running worker of this machine, all is well; a second one needs another web.port",
        )
        return
    if is_loopback(f"{host}:{port}"):
        yield Finding("web", "ok", f"{host}:{port} is free, for this machine only")
    else:
        yield Finding(
            "web",
            "warn",
            f"metrics and health will be served to other machines at {host}:{port}, without a password",
            "keep web.host at 127.0.0.1, or let only your Prometheus reach it",
        )
