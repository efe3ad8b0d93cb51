"""Whatever is sent for a token and is none leaves an event, and however much is sent leaves no more than some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from registry import administration, administration_audit
from registry.auth.exchange import GRANT_TYPE
from registry.auth.refusals import OF_A_NETWORK
from registry.auth.secrets import API_KEY, new_secret
from registry.config import load_settings
from tests.http.admin import PASSWORD, basic
from tests.http.client import PATIENCE
from tests.http.server import Registry, serving

FORMS = {
    "SessionOver": {"grant_type": "refresh_token", "refresh_token": f"blr_{'0' * 32}_1_{'0' * 64}"},
    "IdentityUnfit": {
        "grant_type": GRANT_TYPE,
        "subject_token": "junk",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    },
}
ANY: dict[str, Any] = dict.fromkeys(("principal", "action", "target", "outcome", "since", "until"))


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("refused"), auth="token") as registry:
        administration.add_user(load_settings(data_dir=registry.directory), "ann", password=PASSWORD, is_admin=False)
        yield registry


def denied(registry: Registry) -> list[dict[str, Any]]:
    """Return the newest events of refused logins, the newest first."""
    settings = load_settings(data_dir=registry.directory)
    which = ANY | {"action": "token.give", "outcome": "denied"}
    return administration_audit.list_audit(settings, before=None, limit=1000, **which)[0]


def by_basic(registry: Registry, user: str, password: str) -> int:
    return requests.get(f"{registry.url}/auth/token", headers=basic(user, password), timeout=PATIENCE).status_code


def test_each_kind_leaves_an_event_and_many_leave_some(running: Registry) -> None:
    assert by_basic(running, "ann", new_secret(API_KEY)) == 401
    assert by_basic(running, "oidc", "junk") == 401
    assert by_basic(running, "ann", "wrong password") == 401
    for form in FORMS.values():
        answer = requests.post(f"{running.url}/auth/token", form, timeout=PATIENCE)
        assert answer.status_code in (400, 401)
    reasons = [event["detail"]["reason"] for event in reversed(denied(running))]
    assert reasons == ["CredentialsWrong", "TokenInvalid", "CredentialsWrong", *FORMS]
    with requests.Session() as session:
        for _ in range(4 * OF_A_NETWORK):
            answer = session.post(f"{running.url}/auth/token", FORMS["SessionOver"], timeout=PATIENCE)
            assert answer.status_code == 401
    key = administration.create_key(load_settings(data_dir=running.directory), "ann", "right", lifetime=None)
    assert by_basic(running, "ann", key) == 200  # nobody is locked out by what others have sent
    assert OF_A_NETWORK <= len(denied(running)) <= 3 * OF_A_NETWORK


def test_what_the_throttle_turns_away_leaves_an_event(running: Registry) -> None:
    statuses = {by_basic(running, "ann", f"wrong {number}") for number in range(25)}
    assert statuses == {401, 429}
    assert {event["detail"]["reason"] for event in denied(running)} == {"CredentialsWrong", "TooManyLogins"}
