"""Against requests that another site makes a browser send (CSRF): a form must hold a token made for the browser's cookie."""

from __future__ import annotations

import hmac

from registry.auth.sealing import SecretKey


class FormTokens:
    """Makes and checks the tokens of forms. Whoever doesn't know the cookie can't have the token, nor use that of another."""

    def __init__(self, secret: SecretKey) -> None:
        self._secret = secret

    def of(self, cookie: str) -> str:
        """Return the token of the forms that go to the browser with a cookie."""
        return self._secret.code(f"form\0{cookie}".encode()).hex()

    def fits(self, cookie: str, token: str) -> bool:
        """Say whether a token is the one of a cookie."""
        return hmac.compare_digest(self.of(cookie).encode(), token.encode("utf-8", "replace"))
