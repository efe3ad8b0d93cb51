"""The services of a Sigstore, public or one's own, as who signs asks them: Fulcio, Rekor, a timestamp authority."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography import x509

from blacklake.oci.contents import OciFailed, Unavailable
from blacklake.references import is_loopback
from blacklake.transport import plain, trust
from signing.making import fulcio, rekor, timestamps
from signing.making.answers import InvalidAnswer
from signing.making.envelopes import Envelope
from signing.private_keys import SigningKey

_SECONDS: Final = 30.0
_LARGEST: Final = 1 << 20  # bytes of an answer
_SHOWN: Final = 500
_JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}

Signer = SigningKey | x509.Certificate


class Services:
    """Services by their URLs. Each raises Unavailable where it does not answer, or not what it was asked for."""

    def __init__(self, *, ca_file: Path | None, insecure: bool) -> None:
        self._trust: ssl.SSLContext = trust(ca_file, Unavailable)
        self._insecure = insecure

    def certificates(self, server: str, token: str, key: SigningKey) -> tuple[x509.Certificate, ...]:
        """Ask Fulcio for a certificate of whom a token stands for, with the chain that it gives."""
        body = fulcio.certificate_request(key)
        if server.startswith("http:") and not self._insecure and not is_loopback(httpx.URL(server).host):
            raise Unavailable(f"the identity token would go to {server} unencrypted: use https, or say --insecure")
        content = self._post(server, fulcio.PATH, body, {**_JSON, "Authorization": f"Bearer {token}"})
        with _understood():
            return fulcio.read_certificates(content, key)

    def log_envelope(self, server: str, envelope: Envelope, signer: Signer) -> dict[str, Any]:
        """Let a log hold an envelope: one of Rekor 1, or where there is none, of Rekor 2."""
        try:
            content = self._post(server, rekor.PATH_1, rekor.envelope_request_1(envelope, signer), _JSON)
        except _Missing:
            request = rekor.request_2(envelope.signed_bytes, envelope.signature, signer)
            content = self._post(server, rekor.PATH_2, request, _JSON)
            with _understood():
                return rekor.read_entry_2(content, envelope.signature)
        with _understood():
            return rekor.read_entry_1(content, envelope.signature)

    def log_signature(self, server: str, content: bytes, signature: bytes, signer: Signer) -> dict[str, Any]:
        """Let a log of Rekor 1 hold a signature of bytes: what stands under `.sig` can't hold a proof of Rekor 2."""
        body = rekor.signature_request_1(content, signature, signer)
        answer = self._post(server, rekor.PATH_1, body, _JSON)
        with _understood():
            return rekor.read_entry_1(answer, signature)

    def timestamp(self, url: str, signature: bytes) -> bytes:
        """Ask a timestamp authority, whose URL is whole, to witness a signature; return its answer in DER."""
        request = timestamps.timestamp_request(signature)
        headers = {"Content-Type": timestamps.REQUEST_TYPE}
        content = self._post(url, "", request.as_bytes(), headers)
        with _understood():
            return timestamps.read_timestamp(content, request, signature)

    def _post(self, server: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        url = f"{server.rstrip('/')}{path}" if path else server
        is_secure = url.startswith("https://")
        try:
            with (
                httpx.Client(verify=self._trust, trust_env=is_secure, timeout=_SECONDS) as client,
                client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                content = _bounded(answer)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unavailable(f"{url} could not be asked: {plain(str(error)) or type(error).__name__}") from error
        if answer.status_code in (404, 405):
            raise _Missing(f"{url} is not there: does it end with what is not the service's own?")
        if not answer.is_success:
            said = plain(content.decode(errors="replace"))[:_SHOWN]
            raise Unavailable(f"{url} refuses, by status {answer.status_code}: {said}")
        return content


class _Missing(OciFailed):
    """The service has no such endpoint."""


def _bounded(answer: httpx.Response) -> bytes:
    found = bytearray()
    for piece in answer.iter_bytes():
        found += piece
        if len(found) > _LARGEST:
            raise Unavailable(f"{answer.url} answers more than {_LARGEST} bytes")
    return bytes(found)


@contextlib.contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except InvalidAnswer as error:
        raise Unavailable(plain(str(error))) from error
