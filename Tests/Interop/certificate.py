"""Certificates for the tests, signed by themselves."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate, which is its own root, and of its key."""

    chain: str
    key: str

    @classmethod
    def make(cls, directory: Path, subject: str) -> "Certificate":
        """Makes one for a name or an address, written as openssl does: `DNS:example.org`, `IP:127.0.0.1`."""
        name = subject.replace(":", "-")
        certificate = cls(str(directory / f"{name}.pem"), str(directory / f"{name}.key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2",
             "-subj", "/CN=Lifeline's tests", "-addext", f"subjectAltName={subject}",
             "-keyout", certificate.key, "-out", certificate.chain],
            check=True, capture_output=True)
        return certificate
