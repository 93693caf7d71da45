"""How to reach Kafka, as set, and as each of the clients takes it."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from streams.setting_values import ExistingFile, Section, Text

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT


class KafkaSettings(Section):
    """How to reach Kafka; the password is ``TOCSIN_KAFKA_PASSWORD`` or the content of `password_file`."""

    bootstrap_servers: Text = "127.0.0.1:9092"
    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")] = "tocsin"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: Text | None = None
    password_file: ExistingFile | None = None
    cafile: ExistingFile | None = None
    certfile: ExistingFile | None = None
    keyfile: ExistingFile | None = None
    _password: SecretStr | None = PrivateAttr(default=None)

    @field_validator("bootstrap_servers")
    @classmethod
    def _hosts_and_ports(cls, value: str) -> str:
        for server in value.split(","):
            found = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):(\d{1,5})", server.strip())
            if not found or not 0 < int(found[1]) < 65536:
                raise ValueError("must be host:port, or several of them with commas between")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        sasl = {"sasl_mechanism": self.sasl_mechanism, "username": self.username}
        if self.security_protocol.startswith("SASL_"):
            if lacking := [name for name, value in sasl.items() if value is None]:
                raise ValueError(f"security_protocol {self.security_protocol} needs {' and '.join(lacking)} as well")
        elif given := [name for name, value in sasl.items() if value is not None]:
            raise ValueError(f"{' and '.join(given)} need security_protocol SASL_SSL or SASL_PLAINTEXT")
        files = [name for name in ("cafile", "certfile", "keyfile") if getattr(self, name) is not None]
        if files and not self.security_protocol.endswith("SSL"):
            raise ValueError(f"{' and '.join(files)} need security_protocol SSL or SASL_SSL")
        if (self.certfile is None) != (self.keyfile is None):
            raise ValueError("certfile and keyfile go together")
        return self

    @property
    def password(self) -> SecretStr | None:
        """The SASL password, read when the settings were loaded."""
        return self._password

    @property
    def servers(self) -> list[str]:
        """Each ``host:port`` of `bootstrap_servers`."""
        return [server.strip() for server in self.bootstrap_servers.split(",")]

    def client(self) -> dict[str, Any]:
        """Keyword arguments for every client of kafka-python."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._ssl_context()
        if self.security_protocol.startswith("SASL_"):
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.username
            arguments["sasl_plain_password"] = self._revealed()
        return arguments

    def faust_broker(self) -> list[str]:
        """Broker addresses as Faust takes them."""
        return [f"kafka://{server}" for server in self.servers]

    def faust_credentials(self) -> CredentialsT | None:
        """Credentials as Faust takes them; None for an open, unencrypted broker."""
        from faust import SASLCredentials, SSLCredentials

        context = self._ssl_context() if self.security_protocol.endswith("SSL") else None
        if self.security_protocol.startswith("SASL_"):
            return SASLCredentials(
                username=self.username, password=self._revealed(), mechanism=self.sasl_mechanism, ssl_context=context
            )
        return SSLCredentials(context) if context is not None else None

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.cafile) if self.cafile else None)
        if self.certfile is not None:
            context.load_cert_chain(self.certfile, self.keyfile)
        return context

    def _revealed(self) -> str:
        return self._password.get_secret_value() if self._password is not None else ""
