"""`blacklake admin service`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.words import Expires, lifetime_of
from blacklake.settings import Refused

service = App(name="service", help="Services: principals that sign their requests.")


@service.command(name="add")
def add_service(
    name: str,
    *,
    admin: Annotated[bool, Parameter(negative=(), help="May do everything.")] = False,
    where: Where | None = None,
) -> None:
    """Add a service; `service add-key` lets it sign."""
    with opened(where) as door:
        door.add_service(name, is_admin=admin)
    print(f"service {name} is there")


@service.command(name="disable")
def disable_service(name: str, *, where: Where | None = None) -> None:
    """Let a service do nothing any more, until it is enabled again."""
    with opened(where) as door:
        door.disable(name, kind="service")
    print(f"service {name} is disabled")


@service.command(name="enable")
def enable_service(name: str, *, where: Where | None = None) -> None:
    """Let a disabled service do again what is granted to it."""
    with opened(where) as door:
        door.enable(name, kind="service")
    print(f"service {name} is enabled")


@service.command(name="remove")
def remove_service(name: str, *, where: Where | None = None) -> None:
    """Delete a service with its keys and grants."""
    with opened(where) as door:
        door.delete_principal(name, kind="service")
    print(f"service {name} is gone")


@service.command(name="add-key")
def add_service_key(
    name: str,
    public_key_file: Annotated[Path, Parameter(help="PEM of an Ed25519 or P-256 key.")],
    *,
    expires: Expires = None,
    where: Where | None = None,
) -> None:
    """Let a service sign by a key, and print the key's id: it is the signatures' keyid."""
    lifetime, pem = lifetime_of(expires), _public_key(public_key_file)
    with opened(where) as door:
        print(door.add_service_key(name, pem, lifetime=lifetime))


@service.command(name="revoke-key")
def revoke_service_key(key_id: str, *, where: Where | None = None) -> None:
    """Let a key be valid no longer."""
    with opened(where) as door:
        door.revoke_service_key(key_id)
    print(f"key {key_id} is revoked")


def _public_key(path: Path) -> bytes:
    """Return what is in a file; a private key never leaves this machine. Raise Refused."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}") from error
    if b"PRIVATE KEY" in content:
        raise Refused(f"{path} holds a private key; its public half is wanted (`openssl pkey -in KEY -pubout`)")
    return content
