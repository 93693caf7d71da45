"""The 8-bit kernels compute what the network says, to the accuracy of their numbers, one row at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir
from numpy.typing import NDArray

from models import int8_network
from models.backends import BACKENDS, make
from models.bundled import load_bundled
from models.int8_kernels import BYTE_ORDER, LOWEST_GELU, gelu
from models.int8_network import Int8Network
from models.int8_weights import in_panels, rounded
from models.merged import BundledFiles, bundled_files
from models.selfcheck import same_in_any_company
from models.tokeniser import Tokeniser
from models.vector_code import I64, POINTER, Code, MachineCode
from tests.models.texts import corpus

pytestmark = pytest.mark.skipif(
    BACKENDS[int8_network.NAME].why_not() is not None, reason="needs a processor with AVX512-VNNI"
)


@pytest.fixture(scope="module")
def files() -> BundledFiles:
    return bundled_files()


@pytest.fixture(scope="module")
def network(files: BundledFiles) -> Int8Network:
    return Int8Network(files)


def _rows(files: BundledFiles, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    texts = Tokeniser.from_file(files.tokeniser)(corpus(count))
    ids = np.zeros((count, 64), np.int64)
    for row, tokens in enumerate(texts):
        ids[row, : len(tokens)] = tokens
    return ids, np.asarray([len(tokens) for tokens in texts], np.int64)


def test_tones_are_those_of_float32_within_rounding(files: BundledFiles, network: Int8Network) -> None:
    ids, lengths = _rows(files, 60)
    exact = make("torch-fp32", files, 1)(ids, lengths)
    tones = network(ids, lengths)
    assert np.abs(tones - exact).max() < 0.1
    assert np.abs(tones - exact).mean() < 0.015
    assert np.allclose(tones.sum(axis=1), 1.0, atol=1e-6)
    # It is rounding, not a mistake that leans one way.
    assert np.abs((tones - exact).mean(axis=0)).max() < 0.01


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_company_padding_and_group_borders_change_no_bit(
    files: BundledFiles, network: Int8Network, data: st.DataObject
) -> None:
    ids, lengths = _rows(files, 40)
    alone = np.concatenate([network(ids[row : row + 1, : lengths[row]], lengths[row : row + 1]) for row in range(40)])
    chosen = np.asarray(data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=80)))
    width = data.draw(st.integers(int(lengths[chosen].max()), 64))
    assert np.array_equal(network(ids[chosen, :width], lengths[chosen]), alone[chosen])


def test_all_lengths_pass_the_check_at_load(files: BundledFiles, network: Int8Network) -> None:
    assert same_in_any_company(network, 64, 30_522, 0)
    assert all(np.isfinite(network(np.full((1, length), 2_000), np.asarray([length]))).all() for length in range(1, 65))


@pytest.mark.parametrize(
    ("ids", "lengths"),
    [([[1, 2]], [3]), ([[1, 2]], [0]), ([[1, -2]], [2]), ([[1, 30_522]], [2]), ([[1] * 65], [65]), ([[1, 2]], [1, 1])],
)
def test_numbers_that_would_read_foreign_memory_are_refused(
    network: Int8Network, ids: list[list[int]], lengths: list[int]
) -> None:
    with pytest.raises(ValueError, match="must be from"):
        network(np.asarray(ids), np.asarray(lengths))


def test_rounding_is_the_nearest_and_panels_lose_nothing() -> None:
    weight = np.random.default_rng(1).normal(size=(128, 192)).astype(np.float32)
    whole, scales = rounded(weight)
    assert np.abs(whole * scales[:, None] - weight).max() <= scales.max() / 2 * 1.001
    assert sorted(BYTE_ORDER) == list(range(64))
    panels = in_panels(whole)
    assert all(
        panels[row // 64, place // 4, row % 64, place % 4] == whole[row, place // 64 * 64 + BYTE_ORDER[place % 64]]
        for row in (0, 63, 64, 127)
        for place in range(192)
    )


def test_gelu_keeps_to_its_error_and_never_falls_below_what_bytes_have_room_for() -> None:
    module = ir.Module("gelu")
    code = Code(module, "gelu", [POINTER, POINTER, I64], public=True)
    source, target, count = code.arguments
    code.loop(
        count, lambda i, _: code.store(gelu(code, code.load(source, code.times(i, 64))), target, code.times(i, 64))
    )
    code.finish()
    machine_code = MachineCode(module)
    values = np.linspace(-12, 12, 160_000, dtype=np.float32)
    found = np.empty_like(values)
    machine_code.function("gelu", 3)(values.ctypes.data, found.ctypes.data, len(values) // 16)
    exact = torch.nn.functional.gelu(torch.from_numpy(values).double()).numpy()
    assert np.abs(found - exact).max() < 8e-4
    # A byte would turn from 0 to 255.
    assert -LOWEST_GELU < found.min() < -LOWEST_GELU + 1e-3


def test_version_names_weights_and_arithmetic_but_no_processor(network: Int8Network) -> None:
    model = load_bundled(backend=int8_network.NAME, threads=1, cache_size=0)
    assert model.backend == network.description
    assert "kernels 2" in model.backend
    model.close()
