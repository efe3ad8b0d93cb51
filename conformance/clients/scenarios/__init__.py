"""What every client is put through: each scenario does its verbs and then looks for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from conformance.clients.scenarios import blobs, listing, pulling, pushing, referring
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

AFTERWARDS: Final = (Scenario("pull all clients' images", ("pull_image",), pulling.pull_others),)
"""What takes the work of all clients, so runs when they are done."""
