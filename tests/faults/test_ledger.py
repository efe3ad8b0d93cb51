"""The ledger's rule: what may be read after writes that were acknowledged, refused or never answered."""

from __future__ import annotations

from pathlib import Path

from tests.faults import rounds
from tests.faults.kinds import KINDS
from tests.faults.ledger import NEVER, Key, Ledger, Register, now
from tests.faults.report import FAULTS, KILLS, faults, kills, write_section
from tests.faults.soak import VICTIMS, Outcome, plan

TAG = Key("tag", "team/bert", "v1")


def written(ledger: Ledger, value: str | None, *, done: bool | None = True) -> None:
    ledger.answer(TAG, ledger.begin(TAG, value), done=done)


def test_an_acknowledged_write_is_all_there_is() -> None:
    ledger = Ledger()
    written(ledger, "a")
    written(ledger, "b")
    assert ledger.readable(TAG) == {"b"}
    assert ledger.present("tag", "team/bert") == ["v1"]


def test_an_acknowledged_deletion_stays_one() -> None:
    ledger = Ledger()
    written(ledger, "a")
    written(ledger, None)
    assert ledger.readable(TAG) == {None}
    assert ledger.present("tag", "team/bert") == []


def test_a_write_without_an_answer_may_take_effect_at_any_later_time() -> None:
    ledger = Ledger()
    written(ledger, "a")
    ledger.begin(TAG, "unanswered")
    assert ledger.readable(TAG) == {"a", "unanswered"}
    written(ledger, "b")
    assert ledger.readable(TAG) == {"b", "unanswered"}


def test_a_write_that_ended_unknown_is_over_when_a_later_one_is_acknowledged() -> None:
    ledger = Ledger()
    written(ledger, "a")
    written(ledger, "answered with 503", done=None)
    assert ledger.readable(TAG) == {"a", "answered with 503"}
    written(ledger, "b")
    assert ledger.readable(TAG) == {"b"}


def test_a_refused_write_never_happened() -> None:
    ledger = Ledger()
    written(ledger, "refused", done=False)
    assert ledger.readable(TAG) == {None}


def test_of_two_acknowledged_writes_at_once_either_may_be_the_last() -> None:
    ledger = Ledger()
    first, second = ledger.begin(TAG, "first"), ledger.begin(TAG, "second")
    ledger.answer(TAG, second, done=True)
    ledger.answer(TAG, first, done=True)
    assert ledger.readable(TAG) == {"first", "second"}


def test_a_read_may_find_what_was_there_when_it_began() -> None:
    register = Register()
    since = now()
    write = register.begin("a")
    write.ended, write.acknowledged = now(), True
    assert register.readable(since) == {None, "a"}
    assert register.readable(NEVER) == {"a"}


def test_what_was_found_while_nobody_wrote_is_what_counts_from_then_on() -> None:
    ledger = Ledger()
    ledger.begin(TAG, "unanswered")
    ledger.settle(TAG, None)
    assert ledger.readable(TAG) == {None}


def test_forty_eight_rounds_meet_every_victim_in_every_setting_and_a_seed_repeats_them() -> None:
    plans = [plan(number, "seed") for number in range(48)]
    assert len({(each.server, each.fast_lane, each.workers, each.victim) for each in plans}) == 48
    assert {each.victim for each in plans[:6]} == set(VICTIMS)
    assert plans == [plan(number, "seed") for number in range(48)]


def test_as_many_rounds_as_there_are_kinds_of_faults_meet_each_and_a_seed_repeats_them() -> None:
    for is_brief in (True, False):
        plans = [rounds.plan(number, "seed", brief=is_brief) for number in range(len(KINDS))]
        assert [planned.kinds[0].name for planned in plans] == list(KINDS)
        assert plans == [rounds.plan(number, "seed", brief=is_brief) for number in range(len(KINDS))]
        assert all(len({kind.of for kind in planned.kinds} & {"bucket", "disk"}) < 2 for planned in plans)


def test_an_outcome_replaces_its_section_of_the_page_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "soak.md"
    page.write_text(f"# The soak\n\n{KILLS}\n\nNone yet.\n\n{FAULTS}\n\nNone yet.\n")
    outcome = Outcome("abc", rounds=7, violations=["a blob was lost"])
    outcome.kills["a worker"] = 3
    other = rounds.Outcome("def", rounds=9)
    other.recoveries["S3 down"] += [1.0, 2.0, 4.5]
    for _ in range(2):
        write_section(KILLS, kills(outcome), page)
        write_section(FAULTS, faults(other), page)
    assert page.read_text() == f"# The soak\n\n{KILLS}\n\n{kills(outcome)}\n{FAULTS}\n\n{faults(other)}"
    assert "| Rounds | 7 in" in page.read_text()
    assert "| `kill -9` of a worker | 3 |" in page.read_text()
    assert "\n```\na blob was lost\n```\n" in page.read_text()
    assert "| S3 down | 3 | 2.0 s | 4.5 s |" in page.read_text()
