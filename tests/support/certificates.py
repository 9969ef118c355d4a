"""Certificates of an authority of the test's own, made with openssl, and what servers and clients do with them."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final


def _reason_to_skip() -> str:
    server = shutil.which("redis-server")
    if server is None:
        return "there is no redis-server here, and the one that comes with the tests has no TLS"
    if shutil.which("openssl") is None:
        return "there is no openssl here to make certificates with"
    said = subprocess.run([server, "--tls-port", "x"], capture_output=True, text=True, check=False)
    return "" if "argument couldn't be parsed" in said.stdout + said.stderr else f"{server} was built without TLS"


#: Why there can be no server with TLS here, if so.
NO_TLS: Final = _reason_to_skip()


@dataclass(frozen=True)
class Authority:
    """Signs certificates. What it makes lies in one directory, under the name that it was made for."""

    directory: Path

    def __post_init__(self) -> None:
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=authority", "-keyout", self.key("authority"), "-out", self.certificate("authority")),
        )

    def sign(self, name: str, host: str = "DNS:localhost") -> None:
        """Make a key and a certificate for it, which is good for this host."""
        request = str(self.directory / f"{name}.csr")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={host}", "-keyout", self.key(name), "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-copy_extensions", "copy", "-CAcreateserial"),
            *("-CA", self.certificate("authority"), "-CAkey", self.key("authority"), "-out", self.certificate(name)),
        )

    @property
    def server_options(self) -> tuple[str, ...]:
        """The command line of a server that has the certificate `server`, and wants one of this authority's."""
        return (
            *("--tls-auth-clients", "yes", "--tls-ca-cert-file", self.certificate("authority")),
            *("--tls-cert-file", self.certificate("server"), "--tls-key-file", self.key("server")),
        )

    @property
    def client_options(self) -> dict[str, str]:
        """What a client that has the certificate `client` says of TLS, in its URL or to the driver."""
        return options_of_client(self, self)

    def certificate(self, name: str) -> str:
        """Where a certificate is; `authority` is that of the authority itself."""
        return str(self.directory / f"{name}.crt")

    def key(self, name: str) -> str:
        """Where the key for a certificate is."""
        return str(self.directory / f"{name}.key")


def options_of_client(trusted: Authority | None, own: Authority | None) -> dict[str, str]:
    """What a client says of TLS: whom it trusts, and who vouches for it."""
    return {
        **({"ssl_ca_certs": trusted.certificate("authority")} if trusted else {}),
        **({"ssl_certfile": own.certificate("client"), "ssl_keyfile": own.key("client")} if own else {}),
    }


def _openssl(*arguments: str) -> None:
    subprocess.run([shutil.which("openssl") or "openssl", *arguments], check=True, capture_output=True)
