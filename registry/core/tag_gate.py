"""The gate of whatever moves tags in a transaction of its own, as promotions do."""

from __future__ import annotations

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import organisation_of
from registry.core.admission import Admission, PoliciesChanged
from registry.core.covering import covering
from registry.db import policies, repositories
from registry.db.pool import Connection
from registry.errors import ManifestUnknown


class TagGate:
    """Lets a tag name what policies let it name."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def require(self, conn: Connection, name: RepositoryName, digest: Digest, tag: Tag) -> None:
        """Raise NotAdmitted unless a tag may name a stored manifest; else it may until the transaction of `conn` ends.

        Where no policy decides on the tag this is one query. Else the artifact is judged by other connections meanwhile, or
        was before: who expects to move many asks `Admission.judge_tags` first. Raise ManifestUnknown, Unavailable.
        """
        if not (await covering(conn, name)).on_tags([tag]):
            return
        repository_id = await repositories.find(conn, name)
        if repository_id is None:
            raise ManifestUnknown(name, str(digest))
        while True:
            judgement = await self._admission.judge_tags(name, digest, [tag], None, again=True)
            epoch = await policies.epoch(conn, organisation_of(name))
            try:
                await self._admission.confirm(conn, judgement, repository_id=repository_id, epoch=epoch)
                return
            except PoliciesChanged:
                continue
