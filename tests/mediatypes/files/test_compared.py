"""Of each reader a file, of which it says what the file's own library says: asked here, or when the file was recorded."""

from __future__ import annotations

import pytest
from identify.vendor.licenses import LICENSES

from mediatypes.files.readers import READERS, reader_of
from mediatypes.files.reading import HEAD
from tests.mediatypes.files.libraries import LIBRARIES, Told, contains
from tests.mediatypes.files.seeds import REPORTED, SEEDS
from tests.mediatypes.files.sources import read, values


def told(path: str, content: bytes) -> Told:
    reading = read(path, content)
    return values(reading.facts) | {"raw": reading.raw}


@pytest.mark.parametrize("path", sorted(LIBRARIES))
def test_a_file_is_read_as_its_library_reads_it(path: str) -> None:
    found, expected = told(path, SEEDS[path]), LIBRARIES[path](SEEDS[path])
    assert expected
    assert contains(found, expected), (found, expected)


@pytest.mark.parametrize("path", sorted(REPORTED))
def test_a_recorded_file_is_read_as_its_library_has_read_it(path: str) -> None:
    found = told(path, SEEDS[path])
    expected = {field: value for field, value in REPORTED[path].items() if value is not None}
    assert expected
    assert contains(found, expected), (found, expected)


@pytest.mark.parametrize("name", ["apache-2.0", "mit", "gpl-3.0", "bsd-3-clause", "mpl-2.0", "cc-by-4.0"])
def test_a_licence_is_known_as_the_library_identify_knows_it(name: str) -> None:
    known = {known.lower(): (known, text) for known, text in LICENSES}
    if name not in known:
        pytest.fail(f"identify has no text of {name}")
    assert told("LICENSE", known[name][1].encode())["licenses"] == [known[name][0]]


def test_every_reader_is_compared_with_its_library() -> None:
    paths = [*LIBRARIES, *REPORTED, "LICENSE"]
    readers = [reader_of(path, SEEDS[path][:HEAD]) for path in paths]
    assert {reader.name for reader in readers if reader is not None} == {reader.name for reader in READERS}
