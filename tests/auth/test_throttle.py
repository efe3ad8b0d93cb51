"""Guessing is bounded, whoever guesses from wherever, and locks out nobody who has logged in before."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.auth.sealing import SecretKey
from registry.auth.throttle import OF_A_NETWORK, OF_A_USER_ELSEWHERE, OF_A_USER_KNOWN_THERE, LoginThrottle
from registry.core.access import Caller
from registry.core.identities import Identities
from registry.core.limits import MemoryCounter
from registry.db.networks import MOST
from registry.db.pool import Database
from registry.db.redis import Redis, RedisCounter
from registry.errors import CredentialsWrong, TooManyLogins
from tests.actors import OPERATOR
from tests.core.test_limits import Clock
from tests.db.redis_server import redis_server

SECRET = SecretKey(b"s" * 32)
HOME, OFFICE, FAR = "192.0.2.1", "2001:db8::", "198.51.100.7"

_numbers = itertools.count()


class World:
    """A throttle with a clock that is moved by hand, users who exist, and how often a password was looked at."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = Clock()
        self.takes = 0.0  # seconds that it takes to look at a password
        self.throttle = LoginThrottle(db, SECRET, MemoryCounter(clock=self.clock))
        self.looked: list[tuple[float, str]] = []
        self.ids: dict[str, int] = {}

    async def add(self, name: str) -> str:
        await Identities(self.db).add_user(name, password_hash=None, is_admin=False, actor=OPERATOR)
        found = await self.db.read(
            "find", lambda conn: conn.fetchval("SELECT id FROM principals WHERE name = $1", name)
        )
        self.ids[name] = found
        return name

    def login(self, user: str, *, right: bool) -> Callable[[], Awaitable[Caller]]:
        async def act() -> Caller:
            self.looked.append((self.clock.now, user))
            await asyncio.sleep(self.takes)
            if not right or user not in self.ids:
                raise CredentialsWrong
            return Caller(self.ids[user], user)

        return act

    async def tries(self, user: str, network: str, *, right: bool = False) -> str:
        """Say what came of a try."""
        try:
            caller = await self.throttle.attempt(user, network, self.login(user, right=right))
        except CredentialsWrong:
            return "wrong"
        except TooManyLogins:
            return "too many"
        assert caller.name == user
        return "in"

    async def guess(self, user: str, network: str, times: int) -> int:
        """Return how many of so many guesses were looked at."""
        return [await self.tries(user, network) for _ in range(times)].count("wrong")


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_who_has_logged_in_from_somewhere_still_can_while_others_guess_from_everywhere_else(world: World) -> None:
    ada = await world.add("ada")
    assert await world.tries(ada, HOME, right=True) == "in"
    guessed = sum([await world.guess(ada, f"198.51.{number}.1", 3) for number in range(100)])
    assert guessed == OF_A_USER_ELSEWHERE.failures
    assert await world.tries(ada, HOME, right=True) == "in"
    assert await world.tries(ada, OFFICE, right=True) == "too many"  # a stranger, even with the password
    world.clock.now += OF_A_USER_ELSEWHERE.window
    assert await world.tries(ada, OFFICE, right=True) == "in"


async def test_who_shares_a_network_with_a_user_locks_out_nobody_else_of_it_and_him_only_there(world: World) -> None:
    ada, bob = await world.add("ada"), await world.add("bob")
    for user, network in ((ada, OFFICE), (bob, OFFICE), (bob, HOME)):
        assert await world.tries(user, network, right=True) == "in"
    assert await world.guess(bob, OFFICE, 100) == OF_A_USER_KNOWN_THERE.failures
    assert await world.guess("nobody", OFFICE, 100) == OF_A_USER_ELSEWHERE.failures
    assert await world.guess("other", OFFICE, 100) < OF_A_USER_ELSEWHERE.failures  # the network is at its end
    assert await world.tries(ada, OFFICE, right=True) == "in"
    assert await world.tries(bob, HOME, right=True) == "in"
    assert await world.tries(bob, OFFICE, right=True) == "too many"
    assert await world.tries(ada, OFFICE) == "wrong"


async def test_who_tries_a_password_on_many_users_uses_up_what_his_network_may_try(world: World) -> None:
    found = [await world.tries(f"user{number}", FAR) for number in range(200)]
    assert found.count("wrong") == OF_A_NETWORK.failures
    assert await world.tries("user", HOME) == "wrong"


async def test_right_passwords_cost_nothing_and_make_up_for_no_wrong_one(world: World) -> None:
    ada, eve = await world.add("ada"), await world.add("eve")
    assert {await world.tries(ada, FAR, right=True) for _ in range(200)} == {"in"}
    wrong = 0
    for number in range(200):
        wrong += await world.tries(f"user{number}", FAR) == "wrong"
        assert await world.tries(eve, FAR, right=True) == "in"
    assert wrong == OF_A_NETWORK.failures


@pytest.mark.parametrize("is_known", [True, False])
async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(world: World, is_known: bool) -> None:
    ada = await world.add("ada")
    if is_known:
        await world.tries(ada, FAR, right=True)
    budget = OF_A_USER_KNOWN_THERE if is_known else OF_A_USER_ELSEWHERE
    found = await asyncio.gather(*(world.tries(ada, FAR) for _ in range(100)))
    assert found.count("wrong") == budget.failures
    assert found.count("too many") == 100 - budget.failures


async def test_many_right_logins_at_once_all_get_in(world: World) -> None:
    """A cluster that begins, behind one address."""
    ada, world.takes = await world.add("ada"), 0.01
    assert set(await asyncio.gather(*(world.tries(ada, FAR, right=True) for _ in range(100)))) == {"in"}


async def test_a_try_whose_client_leaves_is_counted(world: World) -> None:
    """Or whoever guesses would leave before he is told, and come back to see."""
    ada = await world.add("ada")

    begun = asyncio.Event()

    async def hang() -> Caller:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    for _ in range(OF_A_USER_ELSEWHERE.failures):
        begun.clear()
        trying = asyncio.create_task(world.throttle.attempt(ada, FAR, hang))
        await begun.wait()
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
    assert await world.tries(ada, FAR) == "too many"


async def test_a_network_is_forgotten_when_it_was_not_used_for_long_or_many_others_were_since(
    world: World, sql: asyncpg.Connection
) -> None:
    ada = await world.add("ada")
    for number in range(MOST + 1):
        assert await world.tries(ada, f"192.0.2.{number}", right=True) == "in"
    await world.guess(ada, FAR, OF_A_USER_ELSEWHERE.failures)
    assert await world.tries(ada, "192.0.2.0", right=True) == "too many"
    assert await world.tries(ada, "192.0.2.1", right=True) == "in"
    assert await sql.fetchval("SELECT count(*) FROM known_networks") == MOST
    await sql.execute("UPDATE known_networks SET used_at = now() - interval '2 days'")
    assert await world.tries(ada, "192.0.2.1", right=True) == "in"
    await sql.execute("UPDATE known_networks SET used_at = used_at - interval '89 days'")
    assert await world.tries(ada, "192.0.2.1", right=True) == "in"
    assert await world.tries(ada, "192.0.2.2", right=True) == "too many"


async def test_the_database_does_not_tell_from_where_anybody_logs_in(world: World, sql: asyncpg.Connection) -> None:
    for name in ("ada", "bob"):
        await world.tries(await world.add(name), HOME, right=True)
    codes = [row[0] for row in await sql.fetch("SELECT network FROM known_networks")]
    assert len(set(codes)) == 2
    assert all(len(code) == 32 for code in codes)


async def test_users_who_log_in_from_nowhere_any_more_leave_nothing(world: World, sql: asyncpg.Connection) -> None:
    ada = await world.add("ada")
    await world.tries(ada, HOME, right=True)
    await sql.execute("DELETE FROM principals WHERE name = 'ada'")
    assert await sql.fetchval("SELECT count(*) FROM known_networks") == 0
    assert await world.tries(ada, OFFICE, right=True) == "in"  # deleted while the password was looked at
    assert await sql.fetchval("SELECT count(*) FROM known_networks") == 0


async def test_names_of_any_kind_are_counted(world: World) -> None:
    for name in ("", "a\0b", "x" * 5000, "ü"):
        assert await world.tries(name, HOME) == "wrong"


async def test_nodes_that_share_redis_count_together(database: Database, other_database: Database) -> None:
    with redis_server() as server:
        redis = Redis(server.url)
        nodes = [World(database), World(other_database)]
        for node in nodes:
            node.throttle = LoginThrottle(node.db, SECRET, MemoryCounter(), RedisCounter(redis))
        ada = await nodes[0].add("ada")
        found = [await nodes[number % 2].tries(ada, FAR) for number in range(50)]
        assert found.count("wrong") == OF_A_USER_ELSEWHERE.failures
        keys = server.say("KEYS", "*")
        await redis.close()
    assert "ada" not in keys


TRIES = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob", "ghost"]),
        st.sampled_from([HOME, OFFICE, FAR]),
        st.booleans(),
        st.integers(1, 25),
        st.sampled_from([0, 1, 30, 700, 4000]),
    ),
    max_size=25,
)
OWN_BUDGETS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@OWN_BUDGETS
@given(tries=TRIES)
async def test_whatever_others_do_elsewhere_the_owner_gets_in_from_where_he_is_known(
    database: Database, tries: list[tuple[str, str, bool, int, int]]
) -> None:
    """Others are strangers: they don't know the password and are nowhere where he is."""
    world, suffix = World(database), next(_numbers)
    owner, elsewhere = await world.add(f"owner{suffix}"), "203.0.113.9"
    await world.add(f"bob{suffix}")
    assert await world.tries(owner, elsewhere, right=True) == "in"
    for user, network, right, times, wait in tries:
        target = owner if user == "ada" else f"{user}{suffix}"
        for _ in range(times):
            await world.tries(target, network, right=right and target != owner)
        world.clock.now += wait
        assert await world.tries(owner, elsewhere, right=True) == "in"


@OWN_BUDGETS
@given(tries=TRIES)
async def test_in_no_hour_more_than_twice_a_budget_is_looked_at_in_vain(
    database: Database, tries: list[tuple[str, str, bool, int, int]]
) -> None:
    world, suffix = World(database), next(_numbers)
    victim = await world.add(f"victim{suffix}")
    for user, network, _, times, wait in tries:
        await world.guess(victim if user != "ghost" else f"ghost{suffix}", network, times)
        world.clock.now += wait
    for since, user in world.looked:
        within = [
            when for when, of in world.looked if of == user and since <= when < since + OF_A_USER_ELSEWHERE.window
        ]
        assert len(within) <= 2 * OF_A_USER_ELSEWHERE.failures


@OWN_BUDGETS
@given(tries=TRIES)
async def test_who_guesses_is_told_the_same_whether_a_user_exists_or_not(
    database: Database, tries: list[tuple[str, str, bool, int, int]]
) -> None:
    """The user has logged in before, but from none of the networks that guesses come from."""
    real, imagined, suffix = World(database), World(database), next(_numbers)
    for name in ("ada", "bob"):
        await real.add(f"{name}{suffix}")
        assert await real.tries(f"{name}{suffix}", "203.0.113.9", right=True) == "in"
    for user, network, _, times, wait in tries:
        for _ in range(times):
            found = await real.tries(f"{user}{suffix}", network)
            assert found == await imagined.tries(f"{user}{suffix}", network)
        real.clock.now += wait
        imagined.clock.now += wait
