"""Give exits to an adapter that has none, or new ones: ``python -m models.train_exits --help``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.base import base_directory
from models.batches import tokenise
from models.bundled import merged_network
from models.errors import ModelError
from models.exit_choice import LEAST_TEXTS
from models.exit_training import Learned, learn_exits
from models.exits import save_exits
from models.labelled import joined, read_labelled
from models.tokeniser import Tokeniser
from models.train import DATA, UNLABELLED
from models.training_command import INTERRUPTED, LARGEST_SEED, Threads, told
from models.training_part import console
from models.unlabelled import distinct, draw, read_unlabelled
from models.whole_file import whole_file

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the adapter, as tocsin train en wrote it.")],
    train: Annotated[
        list[Path], typer.Option(help="The labelled texts it was trained on. May be given several times.")
    ] = [DATA / "en_train.tsv", DATA / "en_brands_train.tsv"],  # noqa: B006
    val: Annotated[Path, typer.Option(help="The texts it was judged by, same form.")] = DATA / "en_val.tsv",
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help="Texts without labels, best of the kind that it will read: mentions (.jsonl, .jsonl.gz) or a text a "
            "line."
        ),
    ] = None,
    drawn: Annotated[int, typer.Option(min=0, help="How many distinct texts of --unlabelled are drawn.")] = UNLABELLED,
    seed: Annotated[
        int,
        typer.Option(min=0, max=LARGEST_SEED, help="Decides initial weights, order of texts and what is held back."),
    ] = 1,
    threads: Threads = 0,
) -> None:
    """Learn the exits where a text leaves the network early because its tone is clear, anew.

    It is what `tocsin train en` does in the end, for an adapter that exists. The network stays as it is, bit for bit.
    The bundled exits are made so, with the United replay for --unlabelled.
    Written are FOLDER/exits.safetensors and the entry "exits" of FOLDER/config.json.

    Example: python -m models.train_exits out/tone --train mine.tsv --val judged.tsv --unlabelled history.jsonl.gz
    """
    if threads:
        torch.set_num_threads(threads)
    with told():
        try:
            give_exits(folder, train, val, unlabelled, drawn, seed)
        except KeyboardInterrupt:
            typer.echo(f"stopped; {folder} stays as it is, and the same command again begins anew", err=True)
            raise typer.Exit(INTERRUPTED) from None


def give_exits(
    folder: Path, train: list[Path], val: Path, unlabelled: Path | None = None, drawn: int = UNLABELLED, seed: int = 1
) -> Learned:
    """Learn exits for the adapter in ``folder`` and write them there; the rest as of :func:`models.train.learn`.

    Raises ``ModelError`` for files that cannot be used, or too few texts; the folder then stays as it is.
    """
    network, temperature = merged_network(folder)
    tokeniser = Tokeniser.from_file(base_directory() / "tokenizer.json")
    validation = read_labelled(val)
    known = tokenise(joined([read_labelled(file) for file in train]).texts, tokeniser)
    new = [] if unlabelled is None else draw(distinct(read_unlabelled(unlabelled)), drawn, seed)
    learned = learn_exits(
        network,
        temperature,
        known,
        tokenise(new, tokeniser),
        tokenise(validation.texts, tokeniser),
        validation.labels,
        seed,
        val.stem,
    )
    if learned is None:
        raise ModelError(f"{folder} stays as it is: give {LEAST_TEXTS} or more texts with --val or --unlabelled")
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["exits"] = save_exits(learned.exits, folder) | learned.told
    with whole_file(file) as part:
        part.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    console.print(f"written to {folder}")
    return learned


if __name__ == "__main__":
    app()
