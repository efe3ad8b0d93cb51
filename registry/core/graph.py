"""The graph around an artifact: referrers, their referrers, children, base models and datasets; only what one may pull."""

from __future__ import annotations

from dataclasses import dataclass

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, Tag
from registry.core.access import Caller, reach_of
from registry.core.artifacts import referenced
from registry.db import graph
from registry.db.graph import EdgeRow, Node, NodeRow
from registry.db.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes, the first of which was asked for, and edges between them; `is_all` says whether none was left out."""

    nodes: list[NodeRow]
    edges: list[EdgeRow]
    is_all: bool


class Graphs:
    """The verb that walks."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def around(
        self, name: RepositoryName, reference: Tag | Digest, *, depth: int, most: int, caller: Caller
    ) -> Graph:
        """Return up to `most` nodes that are up to `depth` edges away, whichever way these lead. Raise ManifestUnknown."""

        async def walk(conn: Connection) -> Graph:
            row = await referenced(conn, name, reference, caller)
            begin = Node(row.repository_id, row.digest)
            known, edges, frontier, is_all = {begin: None}, dict[EdgeRow, None](), [begin], True
            for _ in range(depth):
                found = await graph.edges(conn, frontier, reach=reach_of(caller), limit=most)
                frontier = []
                for edge in found:
                    for node in (edge.source, edge.target):
                        if node not in known and len(known) < most:
                            known[node] = None
                            frontier.append(node)
                    if edge.source in known and edge.target in known:
                        edges[edge] = None
                    else:
                        is_all = False
                if not frontier:
                    break
            nodes = {one.node: one for one in await graph.nodes(conn, list(known), reach=reach_of(caller))}
            return Graph(
                [nodes[node] for node in known if node in nodes],
                [edge for edge in edges if edge.source in nodes and edge.target in nodes],
                is_all,
            )

        return await self._db.read("walk_graph", walk)
