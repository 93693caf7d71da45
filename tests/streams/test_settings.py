"""Settings: what is taken, what is refused, and whether the refusal tells what to mend."""

from __future__ import annotations

import json
import re
import ssl
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from detectors.portfolio import incident
from streams import settings_schema
from streams.settings import Settings, SettingsError, load, tone_from_environment

BRANDS = [{"name": "Acme", "keywords": ["acme"]}]
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
EXAMPLE = Path(__file__).parents[2] / "deploy" / "tocsin.example.yaml"


def written(tmp_path: Path, content: dict[str, Any] | str) -> Path:
    path = tmp_path / "tocsin.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, content: dict[str, Any] | str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, content), environment)
    return "\n".join(caught.value.problems)


def test_brands_are_the_only_thing_one_has_to_set(tmp_path: Path) -> None:
    settings = load(written(tmp_path, {"brands": [{"name": "Газпром", "keywords": ["газпром", "ガスプロム"]}]}), {})
    assert settings.brands[0].keywords == ("газпром", "ガスプロム")
    assert settings.budget_of(settings.brands[0]) == 1.0
    assert settings.topics.scored == "mentions.scored"
    assert settings.web.host == "127.0.0.1"
    assert settings.limits.earliest == date(2000, 1, 1)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", settings.worker.id), "the host's name, as Kafka allows it in an instance id"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"brands": BRANDS, "kafka": {"group": "file", "username": None}, "budget": 3})
    environment = {
        "TOCSIN__KAFKA__BOOTSTRAP_SERVERS": "a:1, b:2",
        "TOCSIN__TOPICS__RETENTION_HOURS__EVENTS": "24",
        "TOCSIN__WORKER__EMBEDDED": "true",
        "TOCSIN__TONE__REVISION": "null",
    }
    settings = load(path, environment)
    assert settings.kafka.servers == ["a:1", "b:2"]
    assert settings.kafka.group == "file"
    assert settings.topics.retention_hours.events == 24
    assert settings.topics.retention_hours.mentions == 168
    assert settings.worker.embedded
    assert settings.tone.revision is None


def test_the_environment_may_hold_everything() -> None:
    settings = load(None, {"TOCSIN__BRANDS": json.dumps(BRANDS), "TOCSIN__BUDGET": "0.5"})
    assert settings.budget_of(settings.brands[0]) == 0.5


def test_the_tone_can_be_set_without_brands() -> None:
    tone = tone_from_environment({"TOCSIN__TONE__MODEL": "org/name", "TOCSIN__WEB__PORT": "none"})
    assert (tone.model, tone.backend) == ("org/name", "auto")
    assert tone_from_environment({}).model == "bundled"
    for name, value, line in (
        ("TOCSIN__TONE__THREADS", "many", "tone.threads: "),
        ("TOCSIN__TONE__MODELL", "x", "tone.modell: "),
        ("TOCSIN__TOON__MODEL", "x", "TOCSIN__TOON__MODEL: there is no such section"),
    ):
        with pytest.raises(SettingsError, match="in the environment") as caught:
            tone_from_environment({name: value})
        assert line in str(caught.value)


def test_the_model_may_lie_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    path = written(tmp_path, {"brands": BRANDS, "tone": {"model": "~/trained"}})
    assert load(path, {}).tone.model == "/home/me/trained"
    for name in ("org/name~1", "./here/~", "bundled"):
        assert tone_from_environment({"TOCSIN__TONE__MODEL": name}).model == name


def test_a_variable_names_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"brands": BRANDS})
    assert load(None, {"TOCSIN_CONFIG": str(path)}).brands[0].name == "Acme"


def test_every_mistake_is_named_at_once_with_what_is_allowed(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        """
        kafka: {bootstrap_server: x, security_protocol: TLS}
        topics: {partitions: 0, retention_hours: {mention: 2}}
        budget: -1
        limits: {earliest: 1999-13-01}
        time: {lateness_seconds: .nan}
        brnds: 2
        brands:
          - {name: Ж, keywords: [ж, " ", 123], time_zone: Mars/Olympus}
          - {name: no}
          - {name: x, budget: 0, runbook_url: wiki}
        """,
    )
    for line in (
        "kafka.bootstrap_server: there is no such key; did you mean bootstrap_servers?",
        "kafka.security_protocol: must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL' (it is 'TLS')",
        "topics.partitions: must be greater than or equal to 1 (it is 0)",
        "topics.retention_hours.mention: there is no such key; did you mean mentions?",
        "budget: must be greater than 0 (it is -1)",
        "limits.earliest: must be a valid date",
        "time.lateness_seconds: must be a finite number",
        "brnds: there is no such key; did you mean brands?",
        "brands.0.keywords.1: must not be empty",
        "brands.0.keywords.2: YAML reads 123 here, not a text; put it in quotes",
        "brands.0.time_zone: must be a time zone of the IANA database",
        "brands.1.name: YAML reads False here, not a text; put it in quotes",
        "brands.2.budget: must be greater than 0",
        "brands.2.runbook_url: must be an address that begins with http:// or https://",
    ):
        assert line in text
    assert len(text.splitlines()) == 14, text


def test_a_time_zone_is_the_same_on_every_machine(tmp_path: Path) -> None:
    text = problems(tmp_path, "brands: [{name: B, keywords: [b], time_zone: localtime}]")
    assert "brands.0.time_zone: must be a time zone " in text


def test_a_keyword_has_something_that_can_be_found(tmp_path: Path) -> None:
    content = 'brands: [{name: B, keywords: ["@b", "@#", "\\u200f", "😡"]}]'
    text = problems(tmp_path, content)
    assert "brands.0.keywords.1: must have a letter, a digit or a sign that can be found in a text" in text
    assert "brands.0.keywords.2: must have a letter" in text
    assert "keywords.0" not in text
    assert "keywords.3" not in text


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "brands: is required"),
        ("brands: []", "brands: must list at least 1"),
        ("brands: [{name: A}, {name: a}]", "brands: brands.1 and brands.0 are both named"),
        ("- a\n- b", "must hold keys"),
        ("brands: [", "not YAML"),
        ("budget: 1\nbudget: 2", "'budget' is there twice"),
        ("brands: [{name: A}]\nkafka: {bootstrap_servers: localhost}", "kafka.bootstrap_servers: must be host:port"),
        ("brands: [{name: A}]\ntopics: {prefix: 'a b'}", "topics.prefix: may hold letters, digits"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, content: str, line: str) -> None:
    assert line in problems(tmp_path, content)


def test_who_names_no_file_is_told_how_to() -> None:
    with pytest.raises(SettingsError, match="no settings file was named: give --config FILE, or set TOCSIN_CONFIG"):
        load(None, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml.*\n.*No such file"):
        load(tmp_path / "nowhere.yaml", {})


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"TOCSIN__KAFK__GROUP": "x"}, "TOCSIN__KAFK__GROUP: there is no such section"),
        ({"TOCSIN__KAFKA__GRUP": "x"}, "kafka.grup: there is no such key; did you mean group?"),
        ({"TOCSIN__BRANDS": "[A"}, "must be JSON"),
    ],
)
def test_a_misspelt_variable_is_not_passed_over(tmp_path: Path, environment: dict[str, str], line: str) -> None:
    assert line in problems(tmp_path, {"brands": BRANDS}, **environment)


SASL = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "username": "tocsin"}


@pytest.mark.parametrize(
    ("kafka", "line"),
    [
        ({"security_protocol": "SASL_SSL"}, "needs sasl_mechanism and username"),
        ({"username": "tocsin"}, "username need security_protocol SASL_SSL or SASL_PLAINTEXT"),
        (SASL, "kafka.password: is needed by SASL; set TOCSIN_KAFKA_PASSWORD or kafka.password_file"),
        ({**SASL, "password": "hunter2"}, "kafka.password: a secret is not read from settings"),
        ({**SASL, "password_file": "/nowhere"}, "kafka.password_file: there is no such file"),
        ({"security_protocol": "SSL", "cafile": "/nowhere"}, "kafka.cafile: there is no such file"),
        ({"certfile": str(Path(__file__)), "keyfile": str(Path(__file__))}, "need security_protocol SSL or SASL_SSL"),
        ({"security_protocol": "SSL", "certfile": str(Path(__file__))}, "certfile and keyfile go together"),
    ],
)
def test_halves_of_a_secure_connection_are_refused(tmp_path: Path, kafka: dict[str, Any], line: str) -> None:
    text = problems(tmp_path, {"brands": BRANDS, "kafka": kafka})
    assert line in text
    assert "hunter2" not in text


def test_a_secret_in_the_variable_of_a_setting_is_refused_like_one_in_the_file(tmp_path: Path) -> None:
    assert "kafka.password: a secret" in problems(tmp_path, {"brands": BRANDS}, TOCSIN__KAFKA__PASSWORD="hunter2")


def test_the_password_comes_from_the_environment_or_a_file_and_reaches_the_clients(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from file\n")
    path = written(tmp_path, {"brands": BRANDS, "kafka": {**SASL, "password_file": str(secret)}})
    for environment, password in (({}, "from file"), ({"TOCSIN_KAFKA_PASSWORD": "from variable"}, "from variable")):
        settings = load(path, environment)
        client = settings.kafka.client()
        assert client["sasl_plain_password"] == password
        assert client["sasl_mechanism"] == "SCRAM-SHA-512"
        assert isinstance(client["ssl_context"], ssl.SSLContext)
        credentials: Any = settings.kafka.faust_credentials()
        assert credentials.password == password
        assert credentials.protocol.value == "SASL_SSL"
        assert credentials.mechanism.value == "SCRAM-SHA-512"
        assert password not in repr(settings)
        assert password not in settings.model_dump_json()


def test_an_open_broker_needs_no_credentials(tmp_path: Path) -> None:
    kafka = load(written(tmp_path, {"brands": BRANDS}), {}).kafka
    assert kafka.faust_credentials() is None
    assert kafka.faust_broker() == ["kafka://127.0.0.1:9092"]
    assert kafka.client() == {"bootstrap_servers": ["127.0.0.1:9092"], "security_protocol": "PLAINTEXT"}


def test_the_author_key_is_public_unless_set_and_one_load_does_not_change_another(tmp_path: Path) -> None:
    path = written(tmp_path, {"brands": BRANDS})
    secret = load(path, {"TOCSIN_AUTHOR_KEY": "sixteen or more bytes"})
    public = load(path, {})
    assert secret.privacy.author_key == b"sixteen or more bytes"
    assert not secret.privacy.author_key_is_public
    assert public.privacy.author_key_is_public
    assert "sixteen" not in repr(secret)


def test_a_short_author_key_is_refused(tmp_path: Path) -> None:
    text = problems(tmp_path, {"brands": BRANDS}, TOCSIN_AUTHOR_KEY="short")
    assert "16 bytes or more" in text
    assert "short'" not in text


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    assert "TOCSIN_AUTHOR_KEY: is empty" in problems(tmp_path, {"brands": BRANDS}, TOCSIN_AUTHOR_KEY="")


def test_the_example_can_be_used_as_it_is() -> None:
    assert len(load(EXAMPLE, {}).brands) >= 2


def test_the_manual_names_every_setting() -> None:
    def keys(model: Any, before: str = "") -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            nested = hasattr(inner, "model_fields")
            found += keys(inner, f"{before}{name}.") if nested else [f"{before}{name}"]
        return found

    text = OPERATIONS.read_text(encoding="utf-8")
    missing = [key for key in keys(Settings) if f"`{key}`" not in text]
    assert not missing


def test_a_detector_that_no_package_offers_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, {"brands": BRANDS, "detectors": ["storm"]})
    assert "detectors: no installed package offers a detector named 'storm'" in found


def test_portfolios_lower_the_budgets_of_their_brands_to_their_own(tmp_path: Path) -> None:
    from streams.wiring import brand_profiles

    brands = [{"name": f"Shop {n}", "keywords": [f"shop{n}"], "portfolio": "shops"} for n in range(3)]
    content = {"brands": [*brands, *BRANDS], "portfolios": [{"name": "shops", "budget": 1.5}]}
    settings = load(written(tmp_path, content), {})
    assert [b.budget for b in brand_profiles(settings)] == [0.5, 0.5, 0.5, 1.0]
    assert [b.portfolio for b in brand_profiles(settings)] == ["shops"] * 3 + [None]
    linked = {"brands": brands, "portfolios": [{"name": "shops", "runbook_url": "https://runbook.example"}]}
    profiles = brand_profiles(load(written(tmp_path, linked), {}))
    assert [(b.budget, b.portfolio_runbook_url) for b in profiles] == [(1.0, "https://runbook.example")] * 3
    free = load(written(tmp_path, {"brands": [*brands, *BRANDS]}), {})
    assert [b.budget for b in brand_profiles(free)] == [1.0] * 4


def test_settings_and_detectors_agree_on_how_many_brands_make_a_portfolio() -> None:
    assert settings_schema.LEAST_BRANDS == incident.LEAST_BRANDS


@pytest.mark.parametrize(
    ("names", "portfolio", "declared", "complaint"),
    [
        (("A", "B"), "P", [], "portfolio 'P' has 2 of the brands; it takes 3"),
        (("A", "B", "C"), "A", [], "portfolio 'A' is named as a brand"),
        (("A", "B", "C"), "P", [{"name": "Q", "budget": 1}], "no brand belongs to 'Q'"),
        (("A", "B", "C"), "P", [{"name": "P", "budget": 1}] * 2, "'P' is there twice"),
        (("A", "B", "C"), "P", [{"name": "P", "budget": 0}], "portfolios.0.budget"),
    ],
)
def test_portfolios_that_cannot_be_are_refused(
    names: tuple[str, ...], portfolio: str, declared: list[dict[str, Any]], complaint: str, tmp_path: Path
) -> None:
    brands = [{"name": name, "keywords": [name], "portfolio": portfolio} for name in names]
    assert complaint in problems(tmp_path, {"brands": brands, "portfolios": declared})
