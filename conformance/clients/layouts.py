# ruff: noqa: D102 - what a verb takes and does stands in Client.
"""Clients that push from an OCI layout and pull into one: the verbs that follow from these two."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from conformance.clients.client import TAG, Client, Pulled
from conformance.clients.images import Content, blobs_of_layout, write_layout


class LayoutClient(Client):
    """A client that names the commands between registry and OCI layout."""

    def to_layout(self, source: str, directory: Path, platform: str | None = None) -> Sequence[str]:
        """Return the command that pulls an image into a layout."""
        raise NotImplementedError

    def from_layout(self, directory: Path, target: str) -> Sequence[str]:
        """Return the command that pushes what the layout's index names."""
        raise NotImplementedError

    def reported(self, _printed: str, _target: str) -> str | None:
        """Return the digest that a push has reported."""
        return None

    def push_command(self, content: Content, target: str) -> Sequence[str]:
        return self.from_layout(write_layout(content, self.scratch(), TAG), target)

    def push_image(self, content: Content, target: str) -> str | None:
        return self.reported(self.run(*self.push_command(content, target)), target)

    def push_whole_index(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def push_docker(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def push_docker_list(self, content: Content, target: str) -> str | None:
        return self.push_image(content, target)

    def pull_image(self, source: str, platform: str | None = None) -> Pulled:
        directory = self.scratch()
        self.run(*self.to_layout(source, directory, platform))
        index = json.loads((directory / "index.json").read_bytes())
        return Pulled(frozenset({index["manifests"][0]["digest"]}), blobs_of_layout(directory))

    def pull_platform(self, source: str, platform: str) -> Pulled:
        return self.pull_image(source, platform)

    def round_trip(self, source: str, target: str) -> None:
        directory = self.scratch()
        self.run(*self.to_layout(source, directory))
        self.run(*self.from_layout(directory, target))
