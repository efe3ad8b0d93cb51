"""Why somebody may do something or may not, in words that name the grant, and what would be needed."""

from __future__ import annotations

import pytest

from mediatypes.names import RepositoryName
from registry.core.access import Permission
from registry.core.explanations import Explanation, Explanations, Holder
from registry.core.identities import Identities
from registry.core.roles import Roles
from registry.core.teams import Teams
from registry.db.pool import Database
from registry.errors import IdentityRefused, IdentityUnknown
from tests.actors import OPERATOR

BERT = RepositoryName("acme/models/bert")


@pytest.fixture
async def explanations(database: Database) -> Explanations:
    """Return what explains: in acme, the team ml with ada and a robot writes models/*, bob reads all, data is public."""
    identities, teams = Identities(database), Teams(database)
    for name in ("ada", "bob", "eve"):
        await identities.add_user(name, password_hash=None, is_admin=False, actor=OPERATOR)
    await identities.add_user("root", password_hash=None, is_admin=True, actor=OPERATOR)
    await identities.add_organisation("acme", actor=OPERATOR)
    await identities.add_robot("acme+ci", actor=OPERATOR)
    await teams.add("acme/ml", actor=OPERATOR)
    await Roles(database).add("acme/signer", ["sign"], actor=OPERATOR)
    for member in ("ada", "acme+ci"):
        await teams.add_member("acme/ml", member, actor=OPERATOR)
    await identities.grant("team:acme/ml", "writer", "acme/models/*", actor=OPERATOR)
    await identities.grant("user:bob", "reader", "acme", actor=OPERATOR)
    await identities.grant("user:bob", "signer", "acme/models/llama", actor=OPERATOR)
    await identities.grant("anonymous", "reader", "acme/data", actor=OPERATOR)
    await identities.disable("eve", actor=OPERATOR)
    return Explanations(database)


TO_ADA = "role writer on acme/models/*, granted to team:acme/ml, permits"
DATA = "role reader on acme/data, granted to everybody, permits pull"


@pytest.mark.parametrize(
    ("subject", "name", "action", "expected"),
    [
        ("user:ada", BERT, "push", (True, f"{TO_ADA} push on {BERT}")),
        ("user:acme+ci", BERT, "pull", (True, f"{TO_ADA} pull on {BERT}")),
        ("team:acme/ml", BERT, "push", (True, f"{TO_ADA} push on {BERT}")),
        ("user:bob", BERT, "pull", (True, f"role reader on acme, granted to user:bob, permits pull on {BERT}")),
        ("user:ada", "acme/data", "pull", (True, f"{DATA} on acme/data")),
        ("anonymous", "acme/data", "pull", (True, f"{DATA} on acme/data")),
        ("user:root", BERT, "delete", (True, f"user:root may do everything here, and so delete on {BERT}")),
        (
            "user:bob",
            BERT,
            "sign",
            (
                False,
                f"no grant to user:bob permits sign on {BERT}; `blacklake admin grant add user:bob writer {BERT}` would",
                "role reader on acme, granted to user:bob, permits pull",
                "role signer on acme/models/llama, granted to user:bob, permits sign, but elsewhere",
            ),
        ),
        (
            "team:acme/ml",
            "acme/x",
            "delete",
            (
                False,
                (
                    "no grant to team:acme/ml permits delete on acme/x;"
                    " `blacklake admin grant add team:acme/ml maintainer acme/x` would"
                ),
            ),
        ),
        (
            "anonymous",
            "acme/data",
            "push",
            (
                False,
                "no grant to anonymous permits push on acme/data; nobody who isn't known may do more than pull",
                DATA,
            ),
        ),
        (
            "user:eve",
            "acme/data",
            "pull",
            (False, "user:eve is disabled; `blacklake admin user enable eve` lets it in again"),
        ),
        ("user:eva", BERT, "pull", (False, "there is no user eva")),
        ("team:acme/mm", BERT, "pull", (False, "there is no team acme/mm")),
        (
            "user:ada",
            "other/a",
            "pull",
            (False, "there is no organisation other; `blacklake admin org add other` adds it"),
        ),
        (
            "user:root",
            "other/a",
            "push",
            (False, "there is no organisation other; `blacklake admin org add other` adds it"),
        ),
        (
            "user:ada",
            "bert",
            "pull",
            (False, "there is no organisation library; `blacklake admin org add library` adds it"),
        ),
    ],
)
async def test_what_decides_is_told(
    explanations: Explanations, subject: str, name: str, action: str, expected: tuple[bool, str, *tuple[str, ...]]
) -> None:
    found = await explanations.explain(subject, RepositoryName(name), Permission(action))
    assert found == Explanation(expected[0], expected[1], expected[2:])


@pytest.mark.parametrize("subject", ["ada", "user", "user:", "team:", "group:a", "", "anonymous:x"])
async def test_who_can_not_be_a_subject_is_refused(explanations: Explanations, subject: str) -> None:
    with pytest.raises(IdentityRefused):
        await explanations.explain(subject, BERT, Permission.PULL)


@pytest.mark.parametrize("subject", ["user:\0", "user:\udcff", "team:a\0/b", "team:acme/\0", "user:" + "x" * 9999])
async def test_who_can_not_even_be_looked_up_is_not_there(explanations: Explanations, subject: str) -> None:
    found = await explanations.explain(subject, BERT, Permission.PULL)
    assert not found.is_allowed
    assert found.reason.startswith("there is no ")


async def test_everybody_who_may_do_something_is_listed_page_by_page(explanations: Explanations) -> None:
    assert await explanations.who_can(Permission.PULL, BERT) == [
        Holder("acme+ci", "acme+ci", "role writer on acme/models/*, by team ml"),
        Holder("ada", "ada", "role writer on acme/models/*, by team ml"),
        Holder("bob", "bob", "role reader on acme"),
        Holder("root", "root", "may do everything here"),
    ]
    data = RepositoryName("acme/data")
    first = await explanations.who_can(Permission.PULL, data, limit=2)
    assert first == [
        Holder("", "everybody", "role reader on acme/data"),
        Holder("bob", "bob", "role reader on acme"),
    ]
    rest = await explanations.who_can(Permission.PULL, data, after="bob", limit=2)
    assert rest == [Holder("root", "root", "may do everything here")]
    with pytest.raises(IdentityUnknown):
        await explanations.who_can(Permission.PULL, RepositoryName("other/a"))
