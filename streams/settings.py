"""Settings: one YAML file plus environment variables, checked as a whole.

``load`` merges the file with variables such as ``TOCSIN__KAFKA__BOOTSTRAP_SERVERS`` (section and key, two underscores
between; they win), and reports everything that is wrong at once. Secrets come from the environment or from files of
their own, never from the settings file, which people commit and pass around.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentSettingsError

from streams.kafka_settings import KafkaSettings
from streams.setting_values import Section
from streams.settings_problems import SettingsError, explain
from streams.settings_schema import BrandSettings, Settings, ToneSettings

__all__ = ["BrandSettings", "KafkaSettings", "Settings", "SettingsError", "load", "tone_from_environment"]

#: Names the settings file where ``--config`` does not.
CONFIG_VARIABLE: Final = "TOCSIN_CONFIG"
PREFIX: Final = "TOCSIN__"

#: Secrets, and the two places where each may be given.
_SECRETS: Final = {
    ("kafka", "password"): ("TOCSIN_KAFKA_PASSWORD", "password_file"),
    ("privacy", "author_key"): ("TOCSIN_AUTHOR_KEY", "author_key_file"),
}


class _Environment(BaseSettings, Settings):
    """Only tells pydantic-settings which variables there are and which of them hold JSON."""

    model_config = SettingsConfigDict(extra="ignore")


class _Tone(Section):
    """The one section that can be used without brands."""

    tone: ToneSettings = Field(default_factory=ToneSettings)


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings and check them as a whole.

    Parameters
    ----------
    path
        The YAML file; by default the one that ``TOCSIN_CONFIG`` names, else none: the environment may hold everything.
    environment
        Variables; by default those of this process.

    Raises
    ------
    SettingsError
        Names every key that is wrong, what is wrong with it, and what is allowed.
    """
    variables = os.environ if environment is None else environment
    if path is None and variables.get(CONFIG_VARIABLE):
        path = Path(variables[CONFIG_VARIABLE])
    merged = _merged(_from_file(path), _from_environment(variables))
    problems = []
    for (section, key), (variable, file_key) in _SECRETS.items():
        if isinstance(inside := merged.get(section), dict) and inside.pop(key, None) is not None:
            problems.append(
                f"{section}.{key}: a secret is not read from settings, which get committed and passed around; "
                f"set the variable {variable}, or {section}.{file_key} to a file that holds nothing else"
            )
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problems += explain(error, Settings)
        if path is None and "brands" not in merged:
            problems.append(f"no settings file was named: give --config FILE, or set {CONFIG_VARIABLE}")
        raise SettingsError(problems, path) from None
    problems += _read_secrets(settings, variables)
    if problems:
        raise SettingsError(problems, path)
    return settings


def tone_from_environment(environment: Mapping[str, str] | None = None) -> ToneSettings:
    """The section ``tone`` where no settings file is named: defaults, and variables such as ``TOCSIN__TONE__MODEL``.

    Raises
    ------
    SettingsError
        Names every key of the section that is wrong, as `load` does.
    """
    merged = _from_environment(os.environ if environment is None else environment)
    try:
        return _Tone.model_validate({"tone": merged["tone"]} if "tone" in merged else {}).tone
    except ValidationError as error:
        raise SettingsError(explain(error, _Tone)) from None


class _Loader(yaml.SafeLoader):
    """Plain values only; dates stay texts, and a key given twice is an error instead of a lost half."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (its parent's way of configuring it)
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe loader)
    except OSError as error:
        raise SettingsError([f"the file cannot be read: {error.strerror}"], path) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"the file is not YAML in UTF-8: {' '.join(str(error).split())}"], path) from None
    if content is not None and not isinstance(content, dict):
        raise SettingsError([f"the file must hold keys such as 'brands:', not a {type(content).__name__}"], path)
    return content or {}


def _from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    names = [name for name in variables if name.upper().startswith(PREFIX)]
    unknown = [
        name for name in names if name.upper().removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields
    ]
    if unknown:
        sections = ", ".join(Settings.model_fields)
        raise SettingsError([f"{name}: there is no such section; there are {sections}" for name in unknown])
    source = EnvSettingsSource(_Environment, env_prefix=PREFIX, env_nested_delimiter="__")
    source.env_vars = {name.lower(): None if variables[name] == "null" else variables[name] for name in names}
    try:
        return source()
    except EnvironmentSettingsError as error:
        raise SettingsError([f"environment: {error.__cause__ or error}; lists and sections must be JSON"]) from None


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def _read_secrets(settings: Settings, variables: Mapping[str, str]) -> list[str]:
    """Put the secrets in their places; returns what is wrong with them."""
    kafka, privacy = settings.kafka, settings.privacy
    problems: list[str] = []
    kafka._password = _secret("kafka.password", variables, kafka.password_file, problems)
    privacy._author_key = _secret("privacy.author_key", variables, privacy.author_key_file, problems)
    if kafka.security_protocol.startswith("SASL_") and kafka._password is None and not problems:
        problems.append("kafka.password: is needed by SASL; set TOCSIN_KAFKA_PASSWORD or kafka.password_file")
    if not privacy.author_key_is_public and len(privacy.author_key) < 16:
        problems.append(
            "privacy.author_key: is too short to keep names from being guessed; it must have 16 bytes or more"
        )
    return problems


def _secret(key: str, variables: Mapping[str, str], file: Path | None, problems: list[str]) -> SecretStr | None:
    section, _, name = key.partition(".")
    variable, file_key = _SECRETS[section, name]
    value, origin = variables.get(variable), variable
    if value is None and file is not None:
        origin = f"{section}.{file_key}"
        try:
            value = file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{origin}: {file} cannot be read: {error}")
            return None
    if value == "":
        problems.append(f"{origin}: is empty")
    return SecretStr(value) if value else None
