"""Sentences are found in the specification's Markdown however they are written, and its text where Go puts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.spec import MODULE, VERSION, SpecificationMissing, requirements, specification

TEXT = """\
# Title

No word of it here. A registry MUST answer. Clients MAY ask,
and go on asking.

## Lists

A sentence SHOULD end before a list:
1. The first item MUST count.
   Its second sentence MAY stand on a line of its own.
- The other SHALL NOT (e.g. `x` or i.e. that) be cut.

### Code

The header MUST be:
```
Name: value
OPTIONAL: <body>
# MAY look like a heading
```
It must not count, nor MAYBE. It MUST NOT be lost.
| `a` | a row REQUIRED |
"""


def found(text: str) -> list[tuple[str, str]]:
    return [(sentence.section, sentence.text) for sentence in requirements(text)]


def test_every_sentence_with_a_word_of_rfc_2119_is_found_under_its_heading() -> None:
    assert found(TEXT) == [
        ("Title", "A registry MUST answer."),
        ("Title", "Clients MAY ask, and go on asking."),
        ("Lists", "A sentence SHOULD end before a list:"),
        ("Lists", "The first item MUST count."),
        ("Lists", "Its second sentence MAY stand on a line of its own."),
        ("Lists", "- The other SHALL NOT (e.g. `x` or i.e. that) be cut."),
        ("Code", "The header MUST be:"),
        ("Code", "OPTIONAL: <body>"),
        ("Code", "# MAY look like a heading"),
        ("Code", "It MUST NOT be lost."),
        ("Code", "| `a` | a row REQUIRED |"),
    ]


def test_the_longer_word_is_taken() -> None:
    (sentence,) = requirements("It MUST NOT fall, SHOULD stand and MAY be NOT RECOMMENDED.")
    assert sentence.keywords == ("MUST NOT", "SHOULD", "NOT RECOMMENDED", "MAY")


def test_the_text_is_read_from_the_module_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / f"{MODULE}@{VERSION}"
    directory.mkdir(parents=True)
    (directory / "spec.md").write_text(TEXT)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert specification() == TEXT


def test_without_go_the_way_to_the_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        SpecificationMissing, match=rf"`go mod download -json {MODULE}@{VERSION}` brings it, or .* --spec"
    ):
        specification()


def test_what_go_says_is_told_where_the_text_cannot_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").write_text("#!/bin/sh\necho no route to host >&2\nexit 1\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("GOMODCACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecificationMissing, match=r"can't be fetched; .*\n.*no route to host"):
        specification()
