"""The setups of the official suite meet in every way that they are meant to."""

from __future__ import annotations

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
    assert set(both) == {Setup(*choice) for choice in product(*CHOICES.values())}


def test_one_python_is_run_once() -> None:
    assert len(setups(("3.13", "3.13"))) == 4


def test_a_setup_reads_as_a_line() -> None:
    assert str(Setup("quart", "hypercorn", "3.13", "memory")) == "quart, hypercorn, Python 3.13, memory"
    setup = ClusterSetup("minio", "never", "lane", "granian", "3.11")
    assert str(setup) == "two: lane, granian, Python 3.11, minio, redirect never"


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
