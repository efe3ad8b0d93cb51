"""`blacklake admin service`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from blacklake.admin.door import Where, opened
from blacklake.admin.tables import show
from blacklake.admin.words import Expires, Json, lifetime_of
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
def revoke_service_key(name: str, key_id: str, *, where: Where | None = None) -> None:
    """Let a key of a service be valid no longer."""
    with opened(where) as door:
        door.revoke_service_key(name, key_id)
    print(f"key {key_id} is revoked")


@service.command(name="list")
def list_services(*, as_json: Json = False, where: Where | None = None) -> None:
    """List the services."""
    with opened(where) as door:
        show(door.services(), ("name", "is_admin", "is_disabled", "created_at"), as_json=as_json)


@service.command(name="list-keys")
def list_service_keys(name: str, *, as_json: Json = False, where: Where | None = None) -> None:
    """List the keys of a service, valid or not."""
    columns = ("id", "algorithm", "created_at", "expires_at", "revoked_at")
    with opened(where) as door:
        show(door.service_keys(name), columns, as_json=as_json)


def _public_key(path: Path) -> bytes:
    """Return what is in a file; a private key never leaves this machine. Raise Refused."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} can't be read: {error.strerror}") from error
    if b"PRIVATE KEY" in content:
        raise Refused(f"{path} holds a private key; its public half is wanted (`openssl pkey -in KEY -pubout`)")
    return content
