"""Settings for TLS and SASL, on an Apache Kafka that insists on them: kafka-python and the client under Faust."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

from streams import topics
from streams.apache_kafka import KAFKA_HOME, ApacheKafka, fetch
from streams.brokers import HOST, free_ports
from streams.doctor_broker import check_broker
from streams.settings import Settings, load

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Secure:
    """A broker with TLS; each port asks for something else."""

    tls_port: int
    sasl_port: int
    cafile: Path


def _keytool(*arguments: str) -> None:
    subprocess.run(["keytool", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, needs_java: None) -> Iterator[Secure]:
    """Apache Kafka with a TLS listener and a SASL_SSL one; the user `tocsin` may log in by PLAIN and SCRAM."""
    home = tmp_path_factory.mktemp("secure-home")
    store, cafile = home / "server.p12", home / "ca.pem"
    access = ("-keystore", str(store), "-storepass", "changeit", "-alias", "kafka")
    names = ("-dname", "CN=kafka", "-ext", f"SAN=IP:{HOST}")
    _keytool("-genkeypair", *access, *names, "-storetype", "PKCS12", "-keyalg", "EC", "-validity", "2")
    _keytool("-exportcert", "-rfc", *access, "-file", str(cafile))

    tls, sasl = free_ports(2)
    template = (KAFKA_HOME / "server.properties.in").read_text()
    secured = f",TLS://{HOST}:{tls},LOGIN://{HOST}:{sasl}"
    lines = [
        line + (secured if line.startswith(("listeners=", "advertised.listeners=")) else "")
        for line in template.splitlines()
        if not line.startswith("listener.security.protocol.map=")
    ]
    module, login = "org.apache.kafka.common.security", "listener.name.login"
    lines += [
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL",
        f"ssl.keystore.location={store}",
        "ssl.keystore.password=changeit",
        "ssl.keystore.type=PKCS12",
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
        f"{login}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
        f"{login}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_tocsin='{PASSWORD}';",
        f"{login}.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;",
    ]
    (home / "server.properties.in").write_text("\n".join(lines) + "\n")
    for name in ("pom.xml", "log4j2.xml"):
        shutil.copy(KAFKA_HOME / name, home)
    (home / "lib").symlink_to(fetch())

    with ApacheKafka(tmp_path_factory.mktemp("secure-kafka"), home=home) as broker:
        client = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        user = UserScramCredentialUpsertion("tocsin", ScramMechanism.SCRAM_SHA_512, PASSWORD.encode())
        assert client.alter_user_scram_credentials([user]) == {"tocsin": None}
        client.close()
        yield Secure(tls, sasl, cafile)


def settings_for(secure: Secure, prefix: str, password: str | None, **kafka: object) -> Settings:
    environment = {
        "TOCSIN__BRANDS": '[{"name": "Acme"}]',
        "TOCSIN__TOPICS__PREFIX": prefix,
        "TOCSIN__KAFKA": json.dumps({"cafile": str(secure.cafile), **kafka}),
    }
    return load(None, environment | ({"TOCSIN_KAFKA_PASSWORD": password} if password else {}))


async def _send_as_faust_does(settings: Settings, topic: str) -> int:
    options: Any = credentials_to_aiokafka_auth(settings.kafka.faust_credentials())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.servers, **options)
    await producer.start()
    try:
        sent = await producer.send_and_wait(topic, b"{}", partition=0)
    finally:
        await producer.stop()
    offset: int = sent.offset
    return offset


@pytest.mark.parametrize("how", ["SSL", "PLAIN", "SCRAM-SHA-512"])
def test_each_secure_way_works_for_topics_doctor_and_faust(secure: Secure, prefix: str, how: str) -> None:
    if how == "SSL":
        kafka = {"security_protocol": "SSL", "bootstrap_servers": f"{HOST}:{secure.tls_port}"}
    else:
        kafka = {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": how,
            "username": "tocsin",
            "bootstrap_servers": f"{HOST}:{secure.sasl_port}",
        }
    settings = settings_for(secure, prefix, None if how == "SSL" else PASSWORD, **kafka)
    wanted = topics.specs(settings)
    assert len(topics.ensure(wanted, settings).created) == len(wanted)
    assert {finding.status for finding in check_broker(settings, wanted)} == {"ok"}
    assert asyncio.run(_send_as_faust_does(settings, settings.topics.mentions)) == 0


def test_a_wrong_password_is_refused_without_showing_it(
    secure: Secure, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "CONNECT_MS", 3000)
    settings = settings_for(
        secure,
        prefix,
        "a wrong password",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        username="tocsin",
        bootstrap_servers=f"{HOST}:{secure.sasl_port}",
    )
    (finding,) = check_broker(settings, [])
    assert finding.status == "fail"
    # Kafka says so and hangs up; the client may see only the second.
    assert re.search("[Aa]uthentication failed|user name or password are wrong", finding.message)
    assert "a wrong password" not in finding.message


def test_a_certificate_of_nobody_we_trust_is_refused(
    secure: Secure, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "CONNECT_MS", 3000)
    address = f"{HOST}:{secure.tls_port}"
    settings = settings_for(secure, prefix, None, security_protocol="SSL", bootstrap_servers=address, cafile=None)
    with pytest.raises(topics.BrokerUnreachableError, match=f"{address}.*certificate verify failed"):
        topics.inspect([], settings)
