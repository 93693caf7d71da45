"""The commands that are on `crisis.commands`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.crisis_commands import CommandError, usable_command
from streams.topic_reader import TopicReader

if TYPE_CHECKING:
    from detectors.commands import Command
    from streams.settings import Settings


def sent_commands(settings: Settings) -> list[Command]:
    """Every command that can be used, each once, in no order. Raises what `TopicReader` raises."""
    brands = [brand.name for brand in settings.brands]
    found: dict[tuple[str, str], Command] = {}
    with TopicReader(settings.topics.commands, settings) as reader:
        for record in reader.to_end():
            try:
                command = usable_command(record.value, brands, settings.portfolio_names)
            except CommandError:
                continue
            found.setdefault((command.brand, command.id), command)
    return list(found.values())


def must_be_planned(brand: str, command: str, settings: Settings) -> None:
    """Raise CommandError, which names what there is, where no planned event or mute of the brand has this id."""
    planned = [one for one in sent_commands(settings) if one.brand == brand and one.kind in ("plan", "mute")]
    if command in {one.id for one in planned}:
        return
    latest = sorted(planned, key=lambda one: one.due, reverse=True)[:5]
    there = f"the latest are {', '.join(one.id for one in latest)}" if latest else "there is none yet"
    raise CommandError(f"{brand} has no planned event or mute {command!r} to end; {there}")
