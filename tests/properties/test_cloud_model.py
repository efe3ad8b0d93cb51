"""Two nodes on one container or bucket do what a dict of bytes would do, also when one overtakes the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, run_state_machine_as_test

from mediatypes.ranges import ByteRange
from registry.storage import cloud_place, cloud_writer
from registry.storage.base import StorageKey, place_of
from registry.storage.cloud import CloudStore
from registry.storage.cloud_segments import Run, append, name_of, pieces_of, size_of, sizes_of
from tests.cloud_servers import CloudServer, Location
from tests.properties.test_storage_model import TwoNodesMachine

SEGMENTS = st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(1, 4)), max_size=12)


class CloudMachine(TwoNodesMachine):
    """Its segments are small, so that most blobs have several."""

    server: CloudServer
    location: Location

    def sizes(self) -> dict[StorageKey, int]:
        """Return all that lies there, by its whole name."""
        return {StorageKey(name): size for name, size in self.server.objects(self.location).items()}

    @invariant()
    def what_lies_there_is_what_was_accepted(self) -> None:
        found: dict[str, dict[str, int]] = {}
        for name, size in self.sizes().items():
            key, _, last = name.removeprefix(f"{self.location.prefix}").split("/", 2)[2].partition("/")
            found.setdefault(key, {})[last] = size
        assert found.keys() <= self.accepted.keys()
        assert {key for key, beside in found.items() if "blob" in beside} == self.committed
        for key in self.committed:
            description = self.server.description(self.location, f"{self.location.prefix}{place_of(key)}/blob")
            assert description.size == len(self.accepted[key])
            del found[key]["blob"]
            named = sizes_of(description.runs)
            assert named.items() <= found[key].items()
            assert key in self.contested or named == found[key]
        for key, writer in self.writing.items():
            assert writer.offset == len(self.accepted[key])


def test_two_nodes_on_one_container_behave_as_a_dict_of_bytes(
    cloud_server: CloudServer, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr(cloud_writer, "_SEGMENT", 300_000)
    monkeypatch.setattr(cloud_writer, "_LARGEST_END", 20)
    monkeypatch.setattr(cloud_place, "_FIRST", 30)

    place = cloud_server.make_location()
    stores = CloudStore(place), CloudStore(place)

    class Machine(CloudMachine):
        nodes = stores
        server = cloud_server
        location = place

    examples = 300 if pytestconfig.getoption("--soak", False) else 10
    run_state_machine_as_test(Machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
    for node in stores:
        asyncio.run(node.close())


def made_of(segments: list[tuple[bytes, int]]) -> tuple[list[Run], dict[str, bytes]]:
    """Return the runs of segments of these writers and sizes, and the bytes of each by name."""
    runs: list[Run] = []
    contents: dict[str, bytes] = {}
    numbers = {b"a": iter(range(100)), b"b": iter(range(100))}
    position = 0
    for writer, size in segments:
        number = next(numbers[writer])
        append(runs, writer, number, size)
        contents[name_of(writer, number)] = bytes(range(position, position + size))
        position += size
    return runs, contents


@given(SEGMENTS)
def test_runs_name_every_segment_with_its_size_in_order(segments: list[tuple[bytes, int]]) -> None:
    runs, contents = made_of(segments)
    assert list(sizes_of(runs).items()) == [(name, len(content)) for name, content in contents.items()]
    assert size_of(runs) == sum(size for _, size in segments)


@given(SEGMENTS, st.data())
def test_every_span_is_made_of_the_pieces_that_hold_it(segments: list[tuple[bytes, int]], data: st.DataObject) -> None:
    runs, contents = made_of(segments)
    whole = b"".join(contents.values())
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole) + 2))

    def bytes_of_pieces() -> Iterator[bytes]:
        for piece in pieces_of(runs, ByteRange(start, stop)):
            assert piece.start < piece.stop <= len(contents[piece.name])
            yield contents[piece.name][piece.start : piece.stop]

    assert b"".join(bytes_of_pieces()) == whole[start:stop]


def test_segments_of_one_size_that_follow_each_other_are_one_run() -> None:
    runs, _ = made_of([(b"a", 4)] * 50 + [(b"a", 3)])
    assert runs == [Run(b"a", 0, 50, 4), Run(b"a", 50, 1, 3)]
