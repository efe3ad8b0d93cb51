"""The setups of the official suite meet in every way that they are meant to."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

from conformance.cluster import ClusterSetup
from conformance.matrix import clusters, setups
from conformance.server import Setup

PYTHONS = ("3.11", "3.13")
CHOICES = {
    "door": ("lane", "quart"),
    "server": ("granian", "hypercorn"),
    "python": PYTHONS,
    "storage": ("file", "memory"),
}


def test_every_three_choices_meet_in_one_list() -> None:
    for names in combinations(CHOICES, 3):
        met = {tuple(getattr(setup, name) for name in names) for setup in setups(PYTHONS)}
        assert met == set(product(*(CHOICES[name] for name in names)))


def test_both_lists_together_are_the_full_product() -> None:
    both = setups(PYTHONS) + setups(PYTHONS, turned=True)
    assert len(both) == 16
    assert {replace(setup, auth="open") for setup in both} == {Setup(*choice) for choice in product(*CHOICES.values())}


def test_every_two_choices_meet_with_authentication_and_without() -> None:
    lists = setups(PYTHONS), setups(PYTHONS, turned=True)
    for names in combinations(CHOICES, 2):
        choices = [*(CHOICES[name] for name in names), ("open", "token")]
        for found in [lists[0] + lists[1]] if "storage" in names else lists:
            assert {(*(getattr(setup, name) for name in names), setup.auth) for setup in found} == set(
                product(*choices)
            )


def test_one_python_is_run_once() -> None:
    assert len(setups(("3.13", "3.13"))) == 4


def test_a_setup_reads_as_a_line() -> None:
    assert str(Setup("quart", "hypercorn", "3.13", "memory")) == "quart, hypercorn, Python 3.13, memory, open"
    setup = ClusterSetup("minio", "never", "lane", "granian", "3.11", "token")
    assert str(setup) == "two: lane, granian, Python 3.11, minio, redirect never, token"


def test_a_cluster_with_authentication_and_one_without_meet_every_choice_but_python() -> None:
    for name, values in (("s3", 2), ("redirect", 3), ("door", 2), ("server", 2)):
        assert len({(getattr(setup, name), setup.auth) for setup in clusters(PYTHONS)}) == 2 * values


def test_every_two_choices_of_a_cluster_meet() -> None:
    choices = {
        "s3": ("versitygw", "minio"),
        "redirect": ("auto", "never", "always"),
        "door": CHOICES["door"],
        "server": CHOICES["server"],
        "python": PYTHONS,
    }
    for names in combinations(choices, 2):
        met = {tuple(getattr(setup, name) for name in names) for setup in clusters(PYTHONS)}
        assert met == set(product(*(choices[name] for name in names)))
