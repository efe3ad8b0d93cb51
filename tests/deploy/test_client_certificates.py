"""Users by their certificates: nginx with what docs/operating.md adds to the project's configuration, before a node."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance import nginx
from registry import administration
from registry.config import load_settings
from tests.docs.commands import ROOT, blocks
from tests.lifecycle.certificates import Authority, Files
from tests.lifecycle.serving import Registry
from tests.tools import needed

HEADER = "X-Client-Subject"


class Behind(NamedTuple):
    """An nginx at a port, and who signs certificates for its clients."""

    port: int
    clients: Authority
    server: Authority

    def ask(self, path: str, own: Files | None, **headers: str) -> int:
        context = ssl.create_default_context(cafile=self.server.files.certificate)
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        try:
            connection.request("POST" if "uploads" in path else "GET", path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """Return nginx before a node that knows alice, who may write, and bob, who may not."""
    needed(nginx.program)
    above, inside = (block.text for block in blocks("nginx", [ROOT / "docs" / "operating.md"]))
    server, clients = Authority(tmp_path, "server-authority"), Authority(tmp_path, "client-authority")
    own = server.issue("nginx")
    inside = inside.replace("/etc/nginx/clients.pem", str(clients.files.certificate))
    inside += f"ssl_certificate {own.certificate};\nssl_certificate_key {own.key};\n"
    addressed = nginx.addressed

    def with_certificates(text: str, listen: str, nodes: tuple[str, str]) -> str:
        text = addressed(text, f"{listen} ssl", nodes)
        return text.replace("server {\n", f"{above}\nserver {{\n{inside}", 1)

    monkeypatch.setattr(nginx, "addressed", with_certificates)
    settings = {"auth": "token", "trusted_identity_header": HEADER, "identity_proxies": "127.0.0.1"}
    with nginx.listener() as sock, Registry(tmp_path / "data", **settings) as node:
        node.start()
        there = load_settings(data_dir=node.data)
        administration.add_organisation(there, "team")
        for user in ("alice", "bob"):
            administration.add_user(there, user, password="correct horse battery staple", is_admin=False)
        administration.grant(there, "user:alice", "writer", "team")
        address = f"127.0.0.1:{node.port}"
        with nginx.proxying(sock, tmp_path / "nginx", (address, address)):
            yield Behind(sock.getsockname()[1], clients, server)
        assert node.stop() == 0


def test_who_shows_a_certificate_is_its_user_and_nobody_else_is(behind: Behind) -> None:
    uploads = "/v2/team/bert/blobs/uploads/"
    alice, bob, stranger = (behind.clients.issue(name) for name in ("alice", "bob", "stranger"))
    assert behind.ask("/v2/", alice) == 200
    assert behind.ask(uploads, alice) == 202
    assert behind.ask("/v2/", bob) == 200
    assert behind.ask(uploads, bob) == 401
    assert behind.ask("/v2/", stranger) == 401
    assert behind.ask("/v2/", None) == 401
    for own in (bob, None):  # what he says of himself nginx replaces
        assert behind.ask(uploads, own, **{HEADER: "alice"}) == 401
        assert behind.ask(uploads, own, **{HEADER.lower(): "CN=alice"}) == 401
    assert behind.ask("/v2/", behind.server.issue("alice")) == 400, "another authority's is refused by nginx"
