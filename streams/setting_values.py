"""What values of settings may be: the types of keys that several sections share."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streams.matching import can_be_found

_OF_A_MACHINE = {"localtime", "posixrules"}
"""Files beside the time zones: the same settings would decide otherwise on another machine."""


def _web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", value):
        raise ValueError("must be an address that begins with http:// or https://")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError("must be a time zone of the IANA database, such as UTC or Europe/Berlin") from None
    if value in _OF_A_MACHINE:
        raise ValueError("must be a time zone with a name, such as UTC or Europe/Berlin: this one is another elsewhere")
    return value


def _existing_file(value: Path) -> Path:
    path = value.expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _to_be_found(value: str) -> str:
    if not can_be_found(value):
        raise ValueError("must have a letter, a digit or a sign that can be found in a text")
    return value


def home_expanded(name: str) -> str:
    """A name or folder of a model with ~ at its beginning replaced by the home directory."""
    return os.path.expanduser(name)  # noqa: PTH111 (a name on a hub is no path, and must stay as it is)


WebAddress = Annotated[str, AfterValidator(_web_address)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
Text = Annotated[str, AfterValidator(_not_blank)]
Keyword = Annotated[Text, AfterValidator(_to_be_found)]
ModelName = Annotated[Text, AfterValidator(home_expanded)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Hours = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Budget = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]


class Section(BaseModel):
    """A section of the settings: frozen, without keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
