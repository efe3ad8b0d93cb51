"""What a route of the admin API is: as data, from which the application and its documentation are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from registry.core.audit import Action

Handler = Callable[..., Awaitable[Any]]
"""Takes AdminServices or ReaderServices, Asked, the path's parameters by name, `data` where there is a body, `query_args`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A method of a path below `/api/v1`, and what answers it.

    Only an administrator of the registry gets to the handler, unless `is_delegated` says that its verb decides, or
    `is_for_readers` that it shows everybody what he may pull. `action` is what events call it that are recorded where it is
    refused. `gives` is the body of the answer, None where there is none, or one of a `media_type` that is not JSON.
    """

    method: str
    path: str
    handler: Handler
    action: Action = Action.ADMIN_READ
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    gives: type[BaseModel] | None = None
    media_type: str | None = None
    status: int = 200
    is_delegated: bool = False
    is_for_readers: bool = False

    @property
    def label(self) -> str:
        """What metrics call it: no name that anybody has given."""
        return f"api.{self.handler.__module__.rpartition('.')[2]}.{self.handler.__name__}"
