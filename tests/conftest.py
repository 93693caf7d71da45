"""What holds for all tests: their order, and where optional measurement data is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No race between backends, and nothing remembered from elsewhere: the first that can run here is taken.
os.environ["TOCSIN_CACHE_DIR"] = f"{os.devnull}/nothing"

# How long a busy machine takes for an example says nothing of what is tested.
settings.register_profile("tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tocsin")

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start servers come last: what is broken shows first where it is quickest to see."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Directory with measurement data beside the checkout; the test is skipped where it is not there."""
    path = ROOT.parent / "shared"
    if not (path / "data").is_dir():
        pytest.skip(f"needs the measurement data in {path.name}/data beside the checkout")
    return path
