"""``tocsin evaluate`` and ``tocsin train``: figures of any model on any labelled file, one message for a mistake."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import models
from models.errors import ModelError
from streams import cli
from streams.settings import load
from streams.settings_problems import SettingsError
from tests.models.tiny import write_tiny_model

TEXTS = (
    ("negative", "the flight was bad"),
    ("neutral", "the day"),
    ("positive", "good day"),
    ("negative", "все плохо"),
)


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Lines of label, tab, text."""
    file = tmp_path / "texts.tsv"
    file.write_text("".join(f"{label}\t{text}\n" for label, text in TEXTS), encoding="utf-8")
    return file


@pytest.fixture
def mentions(tmp_path: Path) -> Path:
    """The same texts as mentions, one more without a label, and a bad line."""
    file = tmp_path / "mentions.jsonl"
    rows = [
        {"id": str(number), "created_at": "2026-01-01T00:00:00Z", "text": text, "gold_tone": label}
        for number, (label, text) in enumerate((*TEXTS, (None, "unlabelled")))
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\n", encoding="utf-8")
    return file


@pytest.fixture
def nameless(tmp_path: Path) -> Path:
    """A model whose outputs are called LABEL_0 and so on."""
    return write_tiny_model(tmp_path / "nameless", ("LABEL_0", "LABEL_1", "LABEL_2"))


@pytest.fixture
def config(tmp_path: Path, nameless: Path) -> Path:
    """Settings that name that model and tell what its outputs mean."""
    file = tmp_path / "tocsin.yaml"
    file.write_text(
        f"brands: [{{name: Acme}}]\ntone: {{model: {nameless}, labels: [positive, neutral, negative], threads: 1}}\n"
    )
    return file


def test_a_model_is_measured_on_texts_and_on_mentions_alike(labelled: Path, mentions: Path, config: Path) -> None:
    code, out, err = _run("evaluate", labelled, mentions, "--json", "--config", config)
    assert code == 0, err
    assert "left out 1 mentions without gold_tone and 1 bad lines; the first bad one, line 6: " in err
    first, second = (json.loads(line) for line in out.splitlines())
    for differing in ("file", "texts_per_second"):
        assert first.pop(differing) != second.pop(differing)
    assert first == second
    assert first["texts"] == 4
    assert first["counts"] == {"negative": 2, "neutral": 1, "positive": 1}
    assert {name: one["texts"] for name, one in first["languages"].items()} == {"en": 3, "ru": 1}
    assert first["model"].startswith("nameless@")


def test_what_is_measured_is_computed_as_the_settings_say(labelled: Path, config: Path) -> None:
    config.write_text(config.read_text().replace("threads: 1", "threads: 1, backend: abacus"))
    code, _, err = _run("evaluate", labelled, "--config", config)
    assert code == 2
    assert "unknown tone backend 'abacus'" in err
    code, _, err = _run("evaluate", labelled, "--config", config, "--backend", "torch-fp32")
    assert code == 0, err


@pytest.mark.parametrize("neutral", [True, False])
def test_reports_of_a_forecast_are_read_as_the_settings_say(
    labelled: Path, config: Path, monkeypatch: pytest.MonkeyPatch, neutral: bool
) -> None:
    asked: list[object] = []
    real = models.load

    def load(model: str, **options: Any) -> models.ToneModel:
        asked.append(options["neutral_forecasts"])
        return real(model, **options)

    monkeypatch.setattr("models.load", load)
    config.write_text(config.read_text().replace("threads: 1", f"threads: 1, neutral_forecasts: {neutral}".lower()))
    code, _, err = _run("evaluate", labelled, "--config", config)
    assert code == 0, err
    assert asked == [neutral]


def test_variables_count_where_no_settings_file_is_named(
    labelled: Path, nameless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_CONFIG", raising=False)
    monkeypatch.setenv("TOCSIN__TONE__MODEL", "/nonexistent")
    for command in ("evaluate", "classify"):
        code, _, err = _run(command, labelled)
        assert code == 2
        assert "/nonexistent" in err
    monkeypatch.setenv("tocsin__tone__labels", '["negative", "neutral", "positive"]')
    code, out, err = _run("evaluate", labelled, "--model", nameless, "--labels", "positive,neutral,negative")
    assert code == 0, err
    assert "nameless@" in out


def test_tables_and_the_plot(labelled: Path, config: Path, tmp_path: Path) -> None:
    plot = tmp_path / "plot.html"
    code, out, err = _run("evaluate", labelled, "--plot", plot, "--config", config)
    assert code == 0, err
    for word in ("language", "all", "en", "ru", "negative", "macro-recall", "calibration error", "nameless@"):
        assert word in out
    assert "nameless@" in plot.read_text(encoding="utf-8")


def test_labelled_lines_are_known_by_the_file_s_name(labelled: Path, config: Path, tmp_path: Path) -> None:
    upper, packed, other = tmp_path / "UPPER.TSV", tmp_path / "packed.tsv.gz", tmp_path / "texts.txt"
    upper.write_bytes(labelled.read_bytes())
    packed.write_bytes(gzip.compress(labelled.read_bytes()))
    other.write_bytes(labelled.read_bytes())
    code, out, err = _run("evaluate", upper, packed, "--json", "--config", config)
    assert code == 0, err
    assert [json.loads(line)["texts"] for line in out.splitlines()] == [4, 4]
    code, _, err = _run("evaluate", other, "--config", config)
    assert code == 2
    assert f"{other}: neither JSON lines nor CSV" in err
    assert "lines of LABEL<TAB>TEXT are read from files named .tsv or .tsv.gz" in err


def test_the_plot_does_not_overwrite_the_labelled_texts(labelled: Path, config: Path, tmp_path: Path) -> None:
    before = labelled.read_bytes()
    link = tmp_path / "plot.html"
    link.symlink_to(labelled)
    for plot in (labelled, link, tmp_path / "." / ".." / tmp_path.name / labelled.name):
        code, _, err = _run("evaluate", labelled, "--plot", plot, "--config", config)
        assert code == 2
        assert f"--plot {plot} would overwrite a file that is read" in err
    assert labelled.read_bytes() == before


def test_the_labels_setting_tells_what_nameless_outputs_mean(nameless: Path, config: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("good day\nthe flight was bad\n")
    code, out, err = _run("classify", texts, "--config", config)
    assert code == 0, err
    code, turned, err = _run("classify", texts, "--model", nameless, "--labels", "negative,neutral,positive")
    assert code == 0, err
    for one, other in zip(map(json.loads, out.splitlines()), map(json.loads, turned.splitlines()), strict=True):
        assert one["tone"]["negative"] == other["tone"]["positive"]
        assert one["tone"] != other["tone"]
    code, _, err = _run("classify", texts, "--model", nameless)
    assert code == 2
    assert "labels setting" in err


@pytest.mark.parametrize("command", ["evaluate", "doctor"])
def test_a_first_start_says_what_takes_so_long(
    labelled: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choice = logging.getLogger("models.choice")
    monkeypatch.setattr(choice, "level", logging.NOTSET)

    def loaded(*_: object, **__: object) -> None:
        choice.info("choosing the fastest backend")
        raise ModelError("no model today")

    for name in ("models.load", "models.loading.load_model"):
        monkeypatch.setattr(name, loaded)
    settings = tmp_path / "tocsin.yaml"
    settings.write_text("brands: [{name: Acme, keywords: [acme]}]\nworker: {embedded: true}\n", encoding="utf-8")
    code, out, err = _run(command, *([labelled] if command == "evaluate" else []), "--config", settings)
    assert code != 0
    assert "no model today" in " ".join((out + err).split())
    assert "choosing the fastest backend" in caplog.text


def test_a_model_in_the_home_directory_is_found(
    nameless: Path, config: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    # The same model as in the settings, so that their labels go with it.
    code, out, err = _run("evaluate", labelled, f"--model=~/{nameless.name}", "--config", config)
    assert code == 0, err
    assert "nameless@" in out


def test_labels_that_are_no_tones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.yaml"
    for labels, problem in (("[good, bad]", "tone.labels"), ("[negative, negative, positive]", "name each tone once")):
        file.write_text(f"brands: [{{name: Acme}}]\ntone: {{model: x/y, labels: {labels}}}\n")
        with pytest.raises(SettingsError, match=problem):
            load(file)


def test_mistakes_cost_one_message(tmp_path: Path, labelled: Path, config: Path) -> None:
    empty, wrong = tmp_path / "empty.tsv", tmp_path / "wrong.tsv"
    empty.write_text("\n")
    wrong.write_text("happy\tno such label\n")
    for arguments, message in (
        ((empty,), "holds no labelled text"),
        ((wrong,), "wrong.tsv, line 1"),
        ((tmp_path / "missing.tsv",), "missing.tsv"),
        ((labelled, "--model", "./nowhere"), "neither a folder"),
        ((labelled, "--plot", tmp_path / "no" / "plot.html"), "there is no directory"),
        ((labelled, "--plot", tmp_path), "is a directory; name a file in it"),
    ):
        code, _, err = _run("evaluate", *arguments, "--config", config)
        assert code == 2
        assert message in err


@pytest.mark.parametrize("tone", ["Negative", "NEG", "-1", -1])
def test_a_label_that_is_no_tone_is_told_with_its_line_and_what_is_allowed(tmp_path: Path, tone: str | int) -> None:
    file = tmp_path / "mentions.jsonl"
    good = {"id": "0", "created_at": "2026-01-01T00:00:00Z", "text": "unlabelled"}
    file.write_text("".join(json.dumps(row) + "\n" for row in (good, {**good, "gold_tone": tone})))
    code, _, err = _run("evaluate", file)
    assert code == 2
    assert f"{file} holds no labelled text" in err
    assert "line 2: " in err
    assert "a tone is negative, neutral or positive, in small letters" in err


def test_each_training_has_its_own_help() -> None:
    for language, option in (("en", "--epochs"), ("ru", "--strength")):
        code, out, _ = _run("train", language, "--help")
        assert code == 0
        assert f"tocsin train {language}" in out
        assert option in out
    code, out, _ = _run("train", "--help")
    assert code == 0
    assert "tocsin train en --help" in out
    assert _run("train", "fr")[0] == 2


def test_a_training_s_own_mistakes_and_missing_texts_are_told(tmp_path: Path) -> None:
    code, _, err = _run("train", "ru", "--strength", "-1")
    assert code == 2
    assert "--strength" in err
    code, _, err = _run("train", "ru", "--train", tmp_path / "missing.tsv", "--out", tmp_path)
    assert code == 2
    assert "missing.tsv" in err
