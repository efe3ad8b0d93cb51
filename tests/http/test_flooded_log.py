"""The audit log filled by strangers, who hide in it what else they do, or cost the registry its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import asyncpg
import pytest
import requests

from registry.auth.login import DEVICE_GRANT
from registry.auth.refusals import OF_A_NETWORK
from registry.auth.secrets import API_KEY, new_secret
from registry.db.embedded import running_url
from registry.http.journal import DENIALS
from tests.http.admin import Governed, basic, governing

TRIES = 4 * OF_A_NETWORK


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """Return a registry behind a proxy, which says from which network somebody comes."""
    with governing(tmp_path_factory.mktemp("flooded"), trusted_proxies="127.0.0.1") as found:
        yield found


Attempt = Callable[[requests.Session, str], requests.Response]


def junk_identity(session: requests.Session, url: str) -> requests.Response:
    return session.get(f"{url}/auth/token", headers=basic("oidc", "e30.e30.e30"), timeout=20)


def junk_key(session: requests.Session, url: str) -> requests.Response:
    return session.get(f"{url}/auth/token", headers=basic("alice", new_secret(API_KEY)), timeout=20)


def junk_session(session: requests.Session, url: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": f"blr_{'0' * 32}_1_{'0' * 64}"}
    return session.post(f"{url}/auth/token", form, timeout=20)


def junk_device(session: requests.Session, url: str) -> requests.Response:
    return session.post(f"{url}/auth/device/token", {"grant_type": DEVICE_GRANT, "device_code": "x"}, timeout=20)


def junk_callback(session: requests.Session, url: str) -> requests.Response:
    return session.get(f"{url}/auth/callback?code=x&state=x", timeout=20)


ATTEMPTS = (junk_identity, junk_key, junk_session, junk_device, junk_callback)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
async def test_what_is_no_credential_leaves_few_events_however_often_it_is_sent(
    governed: Governed, attempt: Attempt
) -> None:
    network = f"192.0.2.{100 + ATTEMPTS.index(attempt)}"
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Forwarded-For"] = network
        statuses = {attempt(session, governed.registry.url).status_code for _ in range(TRIES)}
        assert statuses <= {400, 401, 403}
        wrong = session.get(f"{governed.registry.url}/auth/token", headers=basic("mary", "wrong"), timeout=20)
        assert wrong.status_code == 401
    denied = await events_from(governed, network)
    assert OF_A_NETWORK <= denied["somebody"] < TRIES
    assert denied["mary"] == 1, "whose account is tried is recorded all the same"


async def test_one_principal_s_denials_at_the_admin_api_are_bounded(governed: Governed) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(governed.by("alice").headers | {"X-Forwarded-For": "192.0.2.99"})
        url = f"{governed.registry.url}/api/v1/admin/users"
        assert {session.get(url, timeout=20).status_code for _ in range(2 * DENIALS)} == {403}
    assert DENIALS <= (await events_from(governed, "192.0.2.99"))["alice"] < 2 * DENIALS


async def events_from(governed: Governed, network: str) -> dict[str, int]:
    """Return how many denied events there are from a network, by whom they name."""
    connection = await asyncpg.connect(running_url(governed.settings.data_dir / "postgres"))
    try:
        rows = await connection.fetch(
            """
            SELECT principal, count(*) FROM (
                SELECT principal, address, outcome FROM audit_inbox
                UNION ALL SELECT principal, address, outcome FROM audit_events
            ) e WHERE address = $1 AND outcome = 'denied' GROUP BY principal
            """,
            network,
        )
    finally:
        await connection.close()
    return dict(rows)
