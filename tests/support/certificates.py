"""Certificates of an authority of the test's own, made with openssl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Whether they can be made here.
IS_AVAILABLE: Final = shutil.which("openssl") is not None


@dataclass(frozen=True)
class Authority:
    """Signs certificates. What it makes lies in one directory, under the name that it was made for."""

    directory: Path

    def __post_init__(self) -> None:
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=authority", "-keyout", self.key("authority"), "-out", self.certificate("authority")),
        )

    def sign(self, name: str) -> None:
        """Make a key and a certificate for it, which is good for `localhost`."""
        request = str(self.directory / f"{name}.csr")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", self.key(name), "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-days", "2", "-copy_extensions", "copy", "-CAcreateserial"),
            *("-CA", self.certificate("authority"), "-CAkey", self.key("authority"), "-out", self.certificate(name)),
        )

    def certificate(self, name: str) -> str:
        """Where a certificate is; `authority` is that of the authority itself."""
        return str(self.directory / f"{name}.crt")

    def key(self, name: str) -> str:
        """Where the key for a certificate is."""
        return str(self.directory / f"{name}.key")


def _openssl(*arguments: str) -> None:
    subprocess.run([shutil.which("openssl") or "openssl", *arguments], check=True, capture_output=True)
