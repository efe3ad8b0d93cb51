"""The token service (distribution's token and OAuth2 specifications): from who somebody is and what is asked for to a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mediatypes.names import InvalidName, parse_repository_name
from registry.auth.scopes import Scope
from registry.auth.tokens import AccessTokens, Issued
from registry.core.access import Access, Caller, Permission

_ACTIONS: Final = {
    "pull": (Permission.PULL,),
    "push": (Permission.PUSH, Permission.SIGN),  # either: which of both shows with what is pushed
    "delete": (Permission.DELETE,),
}


class TokenService:
    """Gives out tokens for what is asked for, as far as it is permitted: less, or nothing, is no error."""

    def __init__(self, tokens: AccessTokens, access: Access) -> None:
        self._tokens = tokens
        self._access = access

    async def issue(self, caller: Caller, wanted: Sequence[Scope]) -> tuple[Issued, list[Scope]]:
        """Return a token and what it permits. Raise AccessLost where the caller is nobody any more."""
        granted = [scope for one in wanted if (scope := await self._granted(caller, one)) is not None]
        return await self._tokens.issue(caller, granted), granted

    async def _granted(self, caller: Caller, wanted: Scope) -> Scope | None:
        if wanted.type == "registry" and wanted.name == "catalog":
            return wanted._replace(actions=wanted.actions & {"*"})
        if wanted.type != "repository":
            return None
        try:
            name = parse_repository_name(wanted.name)
        except InvalidName:
            return None
        held = await self._access.permitted(caller, name)
        actions = _ACTIONS if "*" in wanted.actions else wanted.actions & _ACTIONS.keys()
        found = frozenset(action for action in actions if held & set(_ACTIONS[action]))
        return Scope("repository", name, found) if found else None
