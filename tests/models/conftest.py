"""Models shared by the tests of models/: the bundled one, and a tiny foreign one made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.bundled import load_bundled
from models.bundled_russian import load_russian
from models.classifier import Classifier
from models.routed import Reading, RoutedModel
from tests.models.texts import write_labelled
from tests.models.tiny import write_tiny_model

TONE_DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "tone"


@pytest.fixture(scope="session")
def bundled() -> Iterator[Classifier]:
    """The bundled model on two threads, without a cache: each prediction is computed."""
    model = load_bundled(threads=2, cache_size=0)
    yield model
    model.close()


@pytest.fixture(scope="session")
def russian(bundled: Classifier) -> Iterator[Reading]:
    """The bundled Russian model on two threads, without caches."""
    model = load_russian(backend=bundled.backend.partition(" ")[0], threads=2, cache_size=0)
    yield model
    model.close()


@pytest.fixture(scope="session")
def routed(bundled: Classifier, russian: Reading) -> RoutedModel:
    """What ``models.load()`` gives, without caches: the English model above and the Russian one, by script."""
    return RoutedModel({"en": bundled, "ru": russian})


@pytest.fixture
def quick_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches for tests that load the bundled model but do not ask about speed or bits: checked in no time."""
    monkeypatch.setattr("models.bundled.TOKENS_PER_BATCH", 64)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Folder of a tiny random three-label model."""
    return write_tiny_model(tmp_path / "tiny", ("negative", "neutral", "positive"))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A small file of labelled texts."""
    return write_labelled(tmp_path / "texts.tsv", 48)


@pytest.fixture(scope="session")
def tone_data() -> Path:
    """Folder of the shared tone texts."""
    if not TONE_DATA.is_dir():
        pytest.skip("needs the measurement texts in ../shared/data/tone, which do not ship with the project")
    return TONE_DATA
