"""TLS at the server itself: TLS 1.2 and 1.3, ciphers with forward secrecy, and a client's certificate where one is wanted."""

from __future__ import annotations

import ssl
from typing import Final

from registry.config import Settings

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all good


class CertificateUnusable(Exception):
    """A file for TLS can't be used; the message names it."""


def server_context(settings: Settings) -> ssl.SSLContext:
    """Return what a server of these settings speaks TLS by. Raise CertificateUnusable."""
    certificate, key, clients = settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file
    assert certificate is not None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password="")  # asks nobody at a terminal for a password
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateUnusable(
            f"the certificate {certificate} with the key {key} can't be used: {_reason(error)}"
        ) from error
    if clients is not None:
        try:
            context.load_verify_locations(clients)
        except (OSError, ValueError) as error:
            raise CertificateUnusable(
                f"the certificates for clients {clients} can't be used: {_reason(error)}"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is no PEM"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
