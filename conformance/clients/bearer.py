"""The token protocol as distribution specifies it, for requests: a 401 says where a token is to be got, and what for."""

from __future__ import annotations

import re
from typing import Any, Final

import requests
from requests.auth import AuthBase

_PARAMETER: Final = re.compile(r'([a-z]+)="([^"]*)"')


class Bearer(AuthBase):
    """Gets a token whenever the registry asks for one, and keeps those that it has got by what they are for.

    `basic` is a user and a password, None for nobody.
    """

    def __init__(self, session: requests.Session, basic: tuple[str, str] | None) -> None:
        self._session = session
        self._basic = basic
        self._last: str | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Send the token that was good last, and come back when it isn't."""
        if self._last is not None:
            request.headers["Authorization"] = self._last
        request.register_hook("response", self._answered)  # type: ignore[no-untyped-call]
        return request

    def _answered(self, answer: requests.Response, **options: Any) -> requests.Response:
        asked = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code != 401 or not asked.startswith("Bearer "):
            return answer
        self._last = f"Bearer {self._token(dict(_PARAMETER.findall(asked)))}"
        again = answer.request.copy()
        again.deregister_hook("response", self._answered)  # type: ignore[no-untyped-call]
        again.headers["Authorization"] = self._last
        _ = answer.content  # so that the connection can be used once more
        return self._session.send(again, **options)

    def _token(self, challenge: dict[str, str]) -> str:
        """Return a token, or nothing where there is none for this user."""
        wanted = [("service", challenge["service"]), *(("scope", one) for one in challenge.get("scope", "").split())]
        bare = requests.Session()
        bare.trust_env = False
        answer = bare.get(challenge["realm"], params=wanted, auth=self._basic, timeout=60)
        return str(answer.json()["token"]) if answer.status_code == 200 else ""


def refresh_token(host: str, user: str, password: str) -> str:
    """Return a refresh token of a registry at `host`, whose service is the one that its challenge names."""
    session = requests.Session()
    session.trust_env = False
    challenge = dict(_PARAMETER.findall(session.get(f"http://{host}/v2/", timeout=60).headers["WWW-Authenticate"]))
    form = {"grant_type": "password", "access_type": "offline", "client_id": "conformance", "username": user}
    wanted = {**form, "password": password, "service": challenge["service"]}
    return str(session.post(challenge["realm"], data=wanted, timeout=60).json()["refresh_token"])
