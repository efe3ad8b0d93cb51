"""What every client is put through: each scenario does its verbs and then looks for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from conformance.clients.accounts import Accounts
from conformance.clients.scenarios import blobs, guarding, listing, pulling, pushing, referring
from conformance.clients.scenarios.place import Place


@dataclass(frozen=True)
class Scenario:
    """A name, the verbs and features of a client that it takes, and what it does; it raises when something is wrong."""

    name: str
    needs: tuple[str, ...]
    run: Callable[[Place], None]


SCENARIOS: Final = (
    Scenario("push and pull files", ("push_files", "pull_files"), pushing.files),
    Scenario("push an image", ("push_image",), pushing.push_image),
    Scenario("push an index", ("push_whole_index",), pushing.push_whole_index),
    Scenario("push a manifest list", ("push_docker_list",), pushing.push_docker_list),
    Scenario("make an index", ("push_index",), pushing.push_index),
    Scenario("push Docker's schema 2", ("push_docker",), pushing.push_docker),
    Scenario("push sha512", ("push_image", "sha512_push"), pushing.push_sha512),
    Scenario("push four times at once", ("push_command", "push_image"), pushing.at_once),
    Scenario("killed push, pushed again", ("push_command", "push_image"), pushing.interrupted),
    Scenario("pull an image", ("pull_image",), pulling.pull_image),
    Scenario("pull, cut off, resumed", ("pull_resumed",), pulling.pull_cut),
    Scenario("pull a platform", ("pull_platform",), pulling.pull_platform),
    Scenario("pull Docker's schema 2", ("pull_image", "pull_docker"), pulling.pull_docker),
    Scenario("pull sha512", ("pull_image", "sha512_pull"), pulling.pull_sha512),
    Scenario("copy, mounted", ("copy",), pulling.copy),
    Scenario("pull, push, mounted", ("push_pulled",), pulling.push_pulled),
    Scenario("convert types", ("convert",), pulling.convert),
    Scenario("to a layout and back", ("round_trip",), pulling.round_trip),
    Scenario("push blobs", ("push_blob",), blobs.push_blob),
    Scenario("pull blobs", ("pull_blob",), blobs.pull_blob),
    Scenario("push in chunks", ("push_chunked",), blobs.push_chunked),
    Scenario("resume an upload", ("resume",), blobs.resume),
    Scenario("attach", ("attach",), referring.attach),
    Scenario("discover", ("discover",), referring.discover),
    Scenario("copy with referrers", ("copy_referrers",), referring.copy_referrers),
    Scenario("sign and attest", ("sign",), referring.sign),
    Scenario("charts", ("push_chart",), referring.chart),
    Scenario("list 1100 tags", ("tags",), listing.tags),
    Scenario("list tags in pages", ("list_pages",), listing.list_pages),
    Scenario("list repositories", ("catalog",), listing.catalog),
    Scenario("delete a tag", ("delete_tag",), listing.delete_tag),
    Scenario("delete a manifest", ("delete_manifest",), listing.delete_manifest),
    Scenario("delete a blob", ("delete_blob",), blobs.delete_blob),
)


@dataclass(frozen=True)
class Stage:
    """What an administrator changes, and the scenario that every client is put through then."""

    scenario: Scenario
    change: Callable[[Accounts], None] | None = None


def _revoke(accounts: Accounts) -> None:
    accounts.set_granted(granted=False)


def _grant(accounts: Accounts) -> None:
    accounts.set_granted(granted=True)


def _disable(accounts: Accounts) -> None:
    accounts.disable_robot()


STAGES: Final = (
    Stage(Scenario("as nobody", (), guarding.nobody)),
    Stage(Scenario("as a reader", (), guarding.reader)),
    Stage(Scenario("as a stranger", (), guarding.stranger)),
    Stage(Scenario("by an API key", (), guarding.key)),
    Stage(Scenario("grant removed", (), guarding.refused), _revoke),
    Stage(Scenario("granted again", (), guarding.granted), _grant),
    Stage(Scenario("key disabled", (), guarding.refused), _disable),
    Stage(Scenario("by a refresh token", ("login_by_token",), guarding.refreshed)),
)
"""Where the registry asks who clients are: one after the other, each with all clients, after all else."""

AFTERWARDS: Final = (Scenario("pull all clients' images", ("pull_image",), pulling.pull_others),)
"""What takes the work of all clients, so runs when they are done."""
