"""Whether nodes took turns is read from nginx's log, and nothing else passes for it."""

from __future__ import annotations

import pytest

from conformance.nginx import CONFIGURATION, NginxFailed, Traffic, addressed, traffic

A, B = "127.0.0.1:1", "127.0.0.1:2"


def read(takers: str, status: int = 200) -> Traffic:
    nodes = {"A": A, "B": B, "-": "-", "2": f"{A}, {B}"}
    return traffic([f"{nodes[taker]}\t{status}\tGET /v2/ HTTP/1.1\n" for taker in takers], (A, B))


@pytest.mark.parametrize("takers", ["ABABAB", "BABABA", "AB"])
def test_one_request_after_the_other_goes_to_the_other_node(takers: str) -> None:
    found = read(takers)
    assert found.counts == {A: takers.count("A"), B: takers.count("B")}
    assert list(found.problems(at_once=1)) == []


@pytest.mark.parametrize("takers", ["ABBA", "AABB", "ABABBABA", "ABABAA"])
def test_a_node_that_takes_two_requests_on_end_is_seen(takers: str) -> None:
    assert len(list(read(takers).problems(at_once=1))) == 1


def test_requests_that_are_on_their_way_at_once_may_end_in_another_order() -> None:
    assert list(read("AABBBA" * 4).problems(at_once=2)) == []
    assert list(read("ABABAB" + "AAAA" + "ABABAB").problems(at_once=2)) == [
        "the nodes did not take turns: one was 5 requests ahead of the other"
    ]


def test_a_node_that_took_nothing_is_named() -> None:
    assert list(read("A").problems(at_once=9)) == [f"the node at {B} took no request"]
    assert len(list(read("").problems(at_once=9))) == 2


@pytest.mark.parametrize("odd", ["-", "2"])
def test_a_request_that_no_node_or_more_than_one_took_is_told(odd: str) -> None:
    found = list(read(f"AB{odd}AB").problems(at_once=1))
    assert len(found) == 1
    assert found[0].startswith("not answered by one node: ")
    assert found[0].endswith("\t200\tGET /v2/ HTTP/1.1")


def test_a_failure_that_a_client_got_is_told() -> None:
    assert list(read("AB", 404).problems(at_once=1)) == []
    assert len(list(read("AB", 503).problems(at_once=1))) == 2


def test_what_is_no_request_does_not_count() -> None:
    lines = [f"{A}\t200\tGET / HTTP/1.1\n", "-\t400\t\\x16\\x03\\x01\n", "-\t400\t\n", f"{B}\t200\tGET / HTTP/1.1\n"]
    found = traffic(lines, (A, B))
    assert list(found.problems(at_once=1)) == []
    assert str(found) == "1 + 1 requests, 0 redirected"


def test_redirects_are_counted() -> None:
    assert str(read("ABA", 307)) == "2 + 1 requests, 3 redirected"


def test_only_the_addresses_of_the_configuration_are_replaced() -> None:
    text = addressed(CONFIGURATION.read_text(), "127.0.0.1:9", (A, B))
    changed = [line.strip() for line in text.splitlines() if line not in CONFIGURATION.read_text().splitlines()]
    assert [line.split(" ")[1].rstrip(";") for line in changed] == [A, B, "127.0.0.1:9"]
    with pytest.raises(NginxFailed, match="has 0 lines with"):
        addressed(text, "127.0.0.1:9", (A, B))
