"""HTTP as the command line speaks it: whose certificates are trusted, and what is said where nobody answers."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

_CONNECT_SECONDS: Final = 10.0


def client_of(
    url: httpx.URL, ca_file: Path | None, failed: type[Exception], *, seconds: float, **more: Any
) -> httpx.Client:
    """Return a client for a server that gives up after `seconds` without a byte. Raise `failed`, as `trust` does.

    Redirects are not followed, and over http nothing goes through a proxy: both would send credentials where nobody said.
    """
    return httpx.Client(
        verify=trust(ca_file, failed),
        follow_redirects=False,
        trust_env=url.scheme == "https",
        timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
        **more,
    )


def trust(ca_file: Path | None, failed: type[Exception]) -> ssl.SSLContext:
    """Return which certificates are trusted: those that this machine does, or those of a file and no others. Raise `failed`."""
    try:
        return _context(ca_file)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise failed(f"{ca_file} holds no certificates that can be read (PEM): {error}") from error


_context: Final = functools.cache(lambda ca_file: ssl.create_default_context(cafile=ca_file))


@contextlib.contextmanager
def translated(where: str, failed: type[Exception], *, late: str, check: str) -> Iterator[None]:
    """Raise `failed` where a server does not answer: `late` is said where that takes too long, `check` is what else helps."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise failed(f"{where} did not answer in time{late}") from error
    except (httpx.RequestError, httpx.InvalidURL) as error:
        hint = (
            "its certificate is not one that this machine trusts; --ca-file names those to trust"
            if "CERTIFICATE_VERIFY_FAILED" in str(error)
            else check
        )
        raise failed(f"{where} could not be reached: {plain(str(error))}; {hint}") from error


def plain(text: str) -> str:
    """Return a text that comes from elsewhere as a terminal may show it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
