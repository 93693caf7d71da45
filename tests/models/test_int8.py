"""The 8-bit kernels compute what the network says, to the accuracy of their numbers, one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir
from numpy.typing import NDArray

from models import int8_network, int8_tiles
from models.architecture import CLASSES, HIDDEN, LAYERS
from models.backends import BACKENDS, make
from models.bundled import load_bundled
from models.encoder import network_of
from models.exits import FEATURES, QUERIES, WIDTH, Exit
from models.int8_kernels import BYTE_ORDER, KERNELS, LOWEST_GELU, gelu
from models.int8_network import Int8Network
from models.int8_weights import in_panels, rounded
from models.merged import Arrays, BundledFiles, bundled_files
from models.selfcheck import same_in_any_company
from models.tokeniser import Tokeniser
from models.vector_code import I64, POINTER, Code, MachineCode, translated
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


@pytest.mark.skipif(not int8_tiles.allowed(), reason="needs a processor with Intel AMX")
@pytest.mark.parametrize("count", [1, 2, 7, 60, 300])
def test_the_matrix_unit_changes_no_bit(files: BundledFiles, count: int) -> None:
    ids, lengths = _rows(files, count)
    with_it, without = Int8Network(files, tiles=True), Int8Network(files, tiles=False)
    assert np.array_equal(with_it(ids, lengths).view(np.int32), without(ids, lengths).view(np.int32))
    whole = replace(files, whole=True)
    with_it, without = Int8Network(whole, tiles=True), Int8Network(whole, tiles=False)
    assert np.array_equal(with_it(ids, lengths).view(np.int32), without(ids, lengths).view(np.int32))
    assert with_it.description == without.description


@pytest.mark.skipif(not int8_tiles.allowed(), reason="needs a processor with Intel AMX")
def test_others_may_use_the_matrix_unit_in_between(files: BundledFiles) -> None:
    ids, lengths = _rows(files, 20)
    network = Int8Network(files, tiles=True)
    some = torch.randn(64, 384, generator=torch.Generator().manual_seed(1)).bfloat16()
    matrix = torch.randn(384, 384, generator=torch.Generator().manual_seed(2)).bfloat16()
    tones, product = network(ids, lengths), some @ matrix
    for _ in range(5):
        assert torch.equal(some @ matrix, product)
        assert np.array_equal(network(ids, lengths), tones)


@pytest.mark.parametrize(
    ("platform", "machine", "features", "answer", "expected"),
    [
        ("linux", "x86_64", {"amx-tile": True, "amx-int8": True}, 0, True),
        ("linux", "x86_64", {"amx-tile": True, "amx-int8": True}, -1, False),
        ("linux", "x86_64", {"amx-tile": True, "amx-int8": False}, 0, False),
        ("linux", "x86_64", {}, 0, False),
        ("darwin", "x86_64", {"amx-tile": True, "amx-int8": True}, 0, False),
        ("linux", "aarch64", {"amx-tile": True, "amx-int8": True}, 0, False),
    ],
)
def test_the_matrix_unit_is_used_where_the_system_allows_it(
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    machine: str,
    features: dict[str, bool],
    answer: int,
    expected: bool,
) -> None:
    asked: list[tuple[int, ...]] = []

    class Library:
        def __init__(self, _: None) -> None:
            pass

        def syscall(self, *arguments: int) -> int:
            asked.append(arguments)
            return answer

    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)
    monkeypatch.setattr("ctypes.CDLL", Library)
    assert int8_tiles.allowed.__wrapped__() is expected
    able = features.get("amx-int8") and (platform, machine) == ("linux", "x86_64")
    assert asked == ([(158, 0x1023, 18)] if able else [])


def test_tones_are_those_of_float32_within_rounding(files: BundledFiles) -> None:
    ids, lengths = _rows(files, 60)
    exact = make("torch-fp32", files, 1)(ids, lengths)
    # Exits do more to a tone than rounding does.
    tones = Int8Network(replace(files, whole=True))(ids, lengths)
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


@dataclass(frozen=True)
class WithExits:
    """The bundled network with other exits."""

    files: BundledFiles
    exits: Sequence[Exit]

    @property
    def temperature(self) -> float:
        return self.files.temperature

    def arrays(self) -> Arrays:
        return self.files.arrays()


def _exit(layers: int, sure: float) -> Exit:
    """A head that nobody has trained."""
    rng = np.random.default_rng(layers)
    return Exit(
        layers,
        rng.normal(0, 0.1, (QUERIES, HIDDEN)).astype(np.float32),
        rng.normal(0, 0.05, (WIDTH, FEATURES)).astype(np.float32),
        rng.normal(0, 0.1, WIDTH).astype(np.float32),
        rng.normal(0, 0.5, (CLASSES, WIDTH)).astype(np.float32),
        rng.normal(0, 0.5, CLASSES).astype(np.float32),
        sure,
    )


@torch.inference_mode()
def _said(
    files: BundledFiles, leaving: Exit, ids: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What an exit's head says, in float32."""
    network = network_of(files.arrays()).eval()
    rows = []
    for row, length in zip(ids, lengths.tolist(), strict=True):
        embedded = network.words(torch.from_numpy(row[None, :length])) + network.positions.weight[:length]
        hidden = network.embedding_norm(embedded + network.kinds.weight[0])
        for layer in network.layers[: leaving.layers]:
            hidden = layer(hidden, torch.ones(1, 1, 1, length, dtype=torch.bool))
        shares = torch.softmax(torch.from_numpy(leaving.queries) @ hidden[0].T, dim=1)
        features = (shares @ hidden[0]).flatten().numpy()
        logits = leaving.output @ np.tanh(leaving.dense @ features + leaving.dense_bias) + leaving.output_bias
        rows.append(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
    return np.asarray(rows, np.float32)


def test_who_leaves_has_the_tone_of_the_exit_and_who_stays_the_bits_of_the_whole_network(files: BundledFiles) -> None:
    ids, lengths = _rows(files, 60)
    whole = Int8Network(replace(files, whole=True))
    assert set(whole.layers_passed(ids, lengths).tolist()) == {LAYERS}
    everyone = {layers: Int8Network(WithExits(files, [_exit(layers, 0.0)])) for layers in (0, 2, 5)}
    said = {layers: network(ids, lengths) for layers, network in everyone.items()}
    for layers, network in everyone.items():
        assert set(network.layers_passed(ids, lengths).tolist()) == {layers}
        # Before the first layer nothing has been rounded to 8 bits.
        near = 1e-4 if layers == 0 else 0.1
        assert np.abs(said[layers] - _said(files, _exit(layers, 0.0), ids, lengths)).max() < near
    sure = {layers: float(np.quantile(tones.max(axis=1), 0.7)) for layers, tones in said.items()}
    network = Int8Network(WithExits(files, [_exit(layers, level) for layers, level in sure.items()]))
    passed, tones = network.layers_passed(ids, lengths), network(ids, lengths)
    leaving = np.full(len(ids), LAYERS)
    expected = whole(ids, lengths)
    for layers in sorted(sure, reverse=True):
        here = said[layers].max(axis=1) >= np.float32(sure[layers])
        leaving[here] = layers
        expected = np.where(here[:, None], said[layers], expected)
    assert np.array_equal(passed, leaving)
    assert min((passed == layers).sum() for layers in (*sure, LAYERS)) >= 5
    assert np.array_equal(tones, expected)
    assert same_in_any_company(network, 64, 30_522, 0)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=120))
def test_groups_hold_all_rows_and_are_of_about_the_same_size(lengths: list[int]) -> None:
    starts, totals = int8_network._groups(np.asarray(lengths, np.int64))
    assert (starts[0], starts[-1]) == (0, len(lengths))
    assert all(
        sum(lengths[begin:end]) == total > 0 for begin, end, total in zip(starts[:-1], starts[1:], totals, strict=True)
    )
    assert totals.max() <= int8_network.GROUP_TOKENS + 64
    assert totals.max() - totals.min() <= 2 * 64


def test_exits_are_part_of_the_version(files: BundledFiles) -> None:
    whole = Int8Network(replace(files, whole=True)).description
    one, other = (Int8Network(WithExits(files, [_exit(3, sure)])).description for sure in (0.7, 0.8))
    assert len({whole, one, other}) == 3


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
    machine_code = MachineCode(translated(module))
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
    assert f"kernels {KERNELS}" in model.backend
    model.close()
