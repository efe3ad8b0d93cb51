"""Who may do what, where the registry asks: every client is let in, and is refused, by all credentials that it takes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from conformance.clients.accounts import Account, Accounts
from conformance.clients.bearer import refresh_token
from conformance.clients.client import TAG
from conformance.clients.helm import Helm
from conformance.clients.images import image
from conformance.clients.scenarios.place import Place
from conformance.clients.wire import Mismatch

_REFUSAL: Final = re.compile(
    r"\b40[13]\b|unauthori[sz]ed|authentication required|for authentication|denied|invalid username/password",
    re.IGNORECASE,
)
_CHART: Final = "0.1.0"


def nobody(place: Place) -> None:
    """Push by a password, and log out: pull what is public, nothing else, push nothing; nor by a wrong password."""
    accounts, host = _accounts(place), place.registry.host
    place.client.login(host, accounts.writer)
    for organisation in (accounts.private, accounts.public):
        _push(place, organisation)
    place.client.logout(host)
    _pull(place, accounts.public)
    _refused("a pull by nobody", place, lambda: _pull(place, accounts.private))
    _refused("a push by nobody", place, lambda: _push(place, accounts.public, "nobody"))
    _absent(place, accounts.public, "nobody")

    def wrongly() -> None:
        place.client.login(host, Account(accounts.writer.user, secrets.token_urlsafe()))  # which some clients don't try
        _pull(place, accounts.private)

    _refused("a wrong password", place, wrongly)


def reader(place: Place) -> None:
    """Pull as somebody who may, who may not push."""
    accounts = _accounts(place)
    place.client.login(place.registry.host, accounts.reader)
    _pull(place, accounts.private)
    _refused("a push by a reader", place, lambda: _push(place, accounts.private, "reader"))
    _absent(place, accounts.private, "reader")


def stranger(place: Place) -> None:
    """Push to one's own organisation; pull nothing of another's, and mount nothing from there."""
    accounts, host = _accounts(place), place.registry.host
    place.client.login(host, accounts.stranger)
    _push(place, accounts.foreign)
    _pull(place, accounts.foreign)
    _refused("a pull by a stranger", place, lambda: _pull(place, accounts.private))
    if place.client.reason_against("copy") is None:
        source = f"{host}/{_repository(place, accounts.private)}:{TAG}"
        target = f"{host}/{_repository(place, accounts.foreign, 'stolen')}:{TAG}"
        _refused("a copy by a stranger", place, lambda: place.client.copy(source, target))
        _absent(place, accounts.foreign, "stolen")


def key(place: Place) -> None:
    """Pull by a robot's API key, as the password of that robot."""
    place.client.login(place.registry.host, _accounts(place).robot)
    _pull(place, _accounts(place).private)


def granted(place: Place) -> None:
    """Pull again, still logged in, when that is granted again."""
    _pull(place, _accounts(place).private)


def refused(place: Place) -> None:
    """Pull nothing any more, though still logged in: the grant is gone, or the key."""
    _refused("a pull without a right", place, lambda: _pull(place, _accounts(place).private))


def refreshed(place: Place) -> None:
    """Pull and push by a refresh token."""
    accounts, host = _accounts(place), place.registry.host
    place.client.logout(host)
    writer = accounts.writer
    token = refresh_token(host, writer.user, writer.password)
    place.client.login_by_token(host, Account(writer.user, token))
    _pull(place, accounts.private)
    _push(place, accounts.private, "by-token")


def _accounts(place: Place) -> Accounts:
    assert place.shared.accounts is not None
    return place.shared.accounts


def _repository(place: Place, organisation: str, name: str = "guarded") -> str:
    return f"{organisation}/{place.client.name}/{name}"


def _push(place: Place, organisation: str, name: str = "guarded") -> None:
    """Push something of the client's kind; what it is follows from client and organisation."""
    target = f"{place.registry.host}/{_repository(place, organisation, name)}"
    if isinstance(place.client, Helm):
        place.client.push_chart(target, "lake", _CHART, place.client.scratch())
    else:
        content = image(f"{place.client.name} {organisation}", docker=place.client.schema2)
        place.client.push_image(content, f"{target}:{TAG}")


def _pull(place: Place, organisation: str) -> None:
    """Pull what `_push` has pushed."""
    source = f"{place.registry.host}/{_repository(place, organisation)}"
    if isinstance(place.client, Helm):
        place.client.pull_chart(f"{source}/lake", _CHART, place.client.scratch())
    else:
        place.client.pull_image(f"{source}:{TAG}")


def _refused(what: str, place: Place, act: Callable[[], None]) -> None:
    """Raise Mismatch unless the registry refuses what the client does, and the client says so."""
    try:
        act()
    except place.client.failures as error:
        if _REFUSAL.search(str(error)) is None:
            raise Mismatch(f"{what} failed for another reason than a refusal: {error}") from error
        return
    raise Mismatch(f"{what} was not refused")


def _absent(place: Place, organisation: str, name: str) -> None:
    """Raise Mismatch if there is anything in a repository that nobody could push to."""
    repository = _repository(place, organisation, name)
    place.registry.expect(404, "GET", f"{repository}/{'lake/' if isinstance(place.client, Helm) else ''}tags/list")
