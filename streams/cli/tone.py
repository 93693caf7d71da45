"""Commands about the tone of texts: classify, evaluate, train."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.options import Config, Labels, Model, Revision
from streams.commands.console import config_path, load_settings, reporting

if TYPE_CHECKING:
    from streams.settings_schema import ToneSettings


def classify(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="Texts, one per line; - is stdin.")] = "-",
    model: Model = None,
    revision: Revision = None,
    labels: Labels = None,
    config: Config = None,
) -> None:
    """Read the tone of texts, one per line.

    Needs neither Kafka nor settings. Blank lines are passed over. One JSON object per line comes out, with the
    text, the probabilities {"negative", "neutral", "positive"} and the label, the most probable of them; and
    "tone_reliable": false where the model does not know the language or script.

    \b
    Example: echo "Two hours on hold, never again" | tocsin classify
    """
    with reporting():
        from streams.commands.classify import run

        run(file, _asked_for(ctx, config, model, revision, labels))


def evaluate(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="LABEL<TAB>TEXT lines in a .tsv, or mentions with gold_tone; - is stdin."),
    ],
    model: Model = None,
    revision: Revision = None,
    labels: Labels = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Write the reliability plot, a page of its own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file instead of tables.")] = False,
    backend: Annotated[
        str | None, typer.Option(metavar="NAME", help="How the model is computed; default: as in the settings.")
    ] = None,
    config: Config = None,
) -> None:
    """Measure a tone model on labelled texts.

    For each file recall, precision and F1 of each tone, in all and per language as the script tells; macro-recall,
    mean F1 of negative and positive, and the expected calibration error (15 bins): how far the probabilities can be
    believed. Mentions without gold_tone are left out.

    \b
    Example: tocsin evaluate labelled.tsv history.jsonl.gz --plot reliability.html
             tocsin evaluate labelled.tsv --model cardiffnlp/twitter-xlm-roberta-base-sentiment --json
    """
    with reporting():
        from streams.commands.evaluate import run

        tone = _asked_for(ctx, config, model, revision, labels)
        run(
            files,
            model=tone.model,
            revision=tone.revision,
            labels=tone.labels,
            threads=tone.threads,
            backend=backend or tone.backend,
            neutral_forecasts=tone.neutral_forecasts,
            as_json=as_json,
            plot=plot,
        )


def train(
    ctx: typer.Context,
    language: Annotated[
        Literal["en", "ru"], typer.Argument(metavar="en|ru", help="Which of the bundled models.", show_default=False)
    ],
) -> None:
    """Train a bundled tone model anew, on texts of your own if you like.

    Everything after the language belongs to that training and is described by its own help. Trainings show their
    progress, repeat with the same seed, and go on where they were when the same command is run again. The result is
    a folder that holds weights, figures and recipe; docs/tone.md says how to make it the bundled model.

    \b
    Example: tocsin train en --help
             tocsin train ru --train labelled.tsv --out out/ru
    """
    with reporting():
        from streams.commands.train import run

        run(language, ctx.args)


def _asked_for(
    ctx: typer.Context, config: Path | None, model: str | None, revision: str | None, labels: str | None
) -> ToneSettings:
    """The settings' model, or another one, of which the settings' revision and labels say nothing."""
    from streams.setting_values import home_expanded

    if config_path(ctx, config):
        tone = load_settings(ctx, config).tone
    elif any(name.upper().startswith("TOCSIN__") for name in os.environ):
        from streams.settings import tone_from_environment

        tone = tone_from_environment()
    else:  # nothing to read, so the libraries that read it are not waited for
        from streams.settings_schema import ToneSettings

        tone = ToneSettings()
    if model is not None and (named := home_expanded(model)) != tone.model:
        tone = tone.model_copy(update={"model": named, "revision": None, "labels": None})
    told = [label.strip() for label in labels.split(",")] if labels else None
    return tone.model_copy(update={"revision": revision or tone.revision, "labels": told or tone.labels})
