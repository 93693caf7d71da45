"""What is wrong with the settings: the key, what is wrong with its value, and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streams.errors import UserError


class SettingsError(UserError):
    """The settings cannot be used.

    Attributes
    ----------
    problems
        One line for each: the key's path, what is wrong with its value, and what is allowed.
    path
        The settings file; None where only the environment was read.
    """

    def __init__(self, problems: Sequence[str], path: Path | None = None) -> None:
        self.problems = list(problems)
        self.path = path
        where = "the environment" if path is None else str(path)
        super().__init__("\n".join([f"The settings in {where} cannot be used:", *(f"  {line}" for line in problems)]))


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each problem that `model` found, in the order of its keys."""
    details = error.errors()
    return [
        f"{_path(detail['loc']) or 'settings'}: {_sentence(detail, model)}"
        for detail in details
        # A list whose items are all refused counts as empty too: saying that would only confuse.
        if not (detail["type"] == "too_short" and any(_is_within(other["loc"], detail["loc"]) for other in details))
    ]


def _is_within(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    *parents, last = detail["loc"] or ("",)
    if kind == "extra_forbidden":
        known = sorted(_keys_at(model, parents))
        near = difflib.get_close_matches(str(last), known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"there is no such key; {advice}"
    if kind == "missing":
        hint = "; list at least one, with a name and keywords" if last == "brands" else ""
        return f"is required{hint}"
    if kind == "too_short":
        return f"must list at least {context['min_length']}"
    if kind == "value_error":
        return f"{context['error']}{_got(value)}"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"YAML reads {value!r} here, not a text; put it in quotes"
    if kind == "string_pattern_mismatch":
        return f"may hold letters, digits, dot, underscore and dash only, 200 at most{_got(value)}"
    message = detail["msg"].removeprefix("Input ").removeprefix("Value error, ").replace("should ", "must ", 1)
    return f"{message[:1].lower()}{message[1:]}{_got(value)}"


def _got(value: Any) -> str:
    return "" if isinstance(value, dict | list | tuple | BaseModel) else f" (it is {value!r})"


def _keys_at(model: type[BaseModel], parents: Sequence[int | str]) -> list[str]:
    """Keys that are allowed where `parents` lead to."""
    for part in parents:
        if isinstance(part, str):
            inner = next(_models_in(model.model_fields[part].annotation), None)
            if inner is None:
                return []
            model = inner
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
