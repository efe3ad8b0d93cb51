"""Whom a proxy names that has looked at a client's certificate, or has logged somebody in by itself.

An HTTP server doesn't hand a client's certificate on, so that who it is of comes from the proxy that ends TLS, in a header that
counts only where the connection's other end is one of these proxies: what anybody else says of himself there is ignored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from cryptography.x509 import Name, NameOID

from registry.auth.own_site import require_own_site
from registry.core.access import Caller, Credential, CredentialKind
from registry.core.subjects import is_word
from registry.db import principals
from registry.db.pool import Database
from registry.errors import LoginRefused, RequestInvalid

_KINDS: Final = ("user", "robot")  # a service signs its requests, and nobody does that for it
# What OpenSSL, and so nginx, calls attributes that RFC 4514 has no names for.
_ATTRIBUTES: Final = {
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "title": NameOID.TITLE,
}
_LONGEST: Final = 1024  # characters of a distinguished name


class ProxiedIdentities:
    """Knows from a header of trusted proxies who calls."""

    def __init__(self, db: Database, *, header: str, proxies: Iterable[str]) -> None:
        """Read `header`, in any case, of those whose address is in one of the networks `proxies`."""
        self._db = db
        self._shown = header
        self._header = header.lower()
        self._proxies = [ipaddress.ip_network(network) for network in proxies]

    async def named(self, headers: Mapping[str, str], *, peer: str, repeated: Collection[str]) -> Caller | None:
        """Return whom the proxy names: a user or a robot by its name or by a distinguished name with one CN (RFC 4514).

        None where it names nobody, or where the `peer` is none of the proxies. Raise LoginRefused where there is no such user,
        RequestInvalid where the header is among those that were given more than once (`repeated`), and AccessDenied to a page
        of another site: a browser shows its certificate, or the proxy's cookie, whoever makes it send the request.
        """
        said = headers.get(self._header, "").strip()
        if not said or not self._is_proxy(peer):
            return None
        if self._header in repeated:
            raise RequestInvalid(f"{self._shown} is given more than once; the proxy must replace what clients send")
        require_own_site(headers)
        name = _name_in(said)
        row = None
        if is_word(name):
            row = await self._db.read("find_principal", lambda conn: principals.by_name(conn, name))
        if row is None or row.kind not in _KINDS:
            raise LoginRefused(
                f"the proxy names “{said[:128]}”, who is no user or robot here; an administrator adds them"
            )
        return Caller(row.id, row.name, credential=Credential(CredentialKind.PROXY))

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:  # a socket of this machine, say, whose other end has none
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._proxies)


def _name_in(said: str) -> str:
    """Return the name that a header says, "" where it says none or several."""
    if "=" not in said:
        return said
    try:
        name = Name.from_rfc4514_string(said[:_LONGEST], _ATTRIBUTES)
    except ValueError:
        return ""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""
