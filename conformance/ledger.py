"""The ledger: each sentence of the distribution specification that demands, advises or allows something, and its tests.

    ledger.toml    sections of the specification → their sentences → whom it binds, which endpoints, which tests

A sentence is named by its section and a quotation that only it has there. A test is a test of ours
(`tests/http/test_tags.py::test_name`) or a branch of the official suite (`suite: sha256 blobs/range requests`).
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, get_args, get_type_hints

from conformance.server import ROOT
from conformance.spec import KEYWORDS, Sentence, SpecificationMissing, requirements, specification
from conformance.suite import recorded_checks

LEDGER: Final = Path(__file__).with_name("ledger.toml")

_BINDS: Final = ("registry", "client", "neither")
_SUITE: Final = "suite: "
_ENDPOINT: Final = re.compile(r"^\| (end-\d+[a-z]?) ", re.MULTILINE)


class LedgerInvalid(Exception):
    """The ledger's file isn't in its form; the message names the place."""


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one sentence.

    `binds` is whom the sentence obliges or allows something: the registry, the client, or neither. `tests` show that the
    registry obeys, or what it does with a client that doesn't. `note` says how a sentence is read that can be read in
    more than one way, `deviates` how and why Blacklake departs from its letter.
    """

    section: str
    quote: str
    binds: str
    ends: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    note: str = ""
    deviates: str = ""

    def __str__(self) -> str:
        return f"{self.section}: “{self.quote}”"


def load(text: str) -> list[Entry]:
    """Return the entries of a ledger in TOML; raise LedgerInvalid."""
    try:
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LedgerInvalid(f"the ledger is not TOML: {error}") from error
    return [_entry(section, fields) for section, entries in sections.items() for fields in _list(section, entries)]


def _list(section: str, entries: object) -> list[dict[str, object]]:
    if not isinstance(entries, list) or not all(isinstance(fields, dict) for fields in entries):
        raise LedgerInvalid(f'{section}: a section is written [["{section}"]] above each of its entries')
    return entries


def _entry(section: str, fields: dict[str, object]) -> Entry:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    kinds = {name: tuple if get_args(kind) else str for name, kind in get_type_hints(Entry).items()}
    for name, value in values.items():
        if name == "section" or not isinstance(value, kinds.get(name, ())):
            raise LedgerInvalid(f"{section}: {name} = {value!r} has no place in an entry: {fields}")
    if missing := {"quote", "binds"} - values.keys():
        raise LedgerInvalid(f"{section}: {' and '.join(sorted(missing))} missing in an entry: {fields}")
    return Entry(section, **values)  # type: ignore[arg-type]  # checked above, field by field


def problems(entries: Iterable[Entry], text: str, checks: Iterable[str], root: Path = ROOT) -> Iterator[str]:
    """Yield a line for everything in which the ledger differs from the specification's `text`.

    `checks` are the names of the official suite's, and tests are looked for below `root`.
    """
    sentences = requirements(text)
    endpoints = set(_ENDPOINT.findall(text))
    claimed: defaultdict[Sentence, list[Entry]] = defaultdict(list)
    named: set[str] = set()
    for entry in entries:
        matches = _matches(entry, sentences)
        if len(matches) == 1:
            claimed[matches[0]].append(entry)
        else:
            yield f"{entry} is in {len(matches)} sentences of that section with a word of RFC 2119, not in one"
        yield from _faults(entry, endpoints, checks, root)
        if entry.binds == "registry":
            named |= set(entry.ends)
    for sentence in sentences:
        if len(claimed[sentence]) != 1:
            yield f"{len(claimed[sentence])} entries for {sentence.section}: “{sentence.text}”"
    for end in sorted(endpoints - named, key=lambda end: (len(end), end)):
        yield f"{end} is in no entry that binds a registry"


def _matches(entry: Entry, sentences: Iterable[Sentence]) -> list[Sentence]:
    return [found for found in sentences if found.section == entry.section and entry.quote in found.text]


def _faults(entry: Entry, endpoints: set[str], checks: Iterable[str], root: Path) -> Iterator[str]:
    """Yield what is wrong with an entry by itself."""
    if entry.binds not in _BINDS:
        yield f"{entry} binds {entry.binds!r}, which is none of {', '.join(_BINDS)}"
    if entry.binds == "registry" and not entry.tests:
        yield f"{entry} binds the registry and has no test"
    if not Sentence("", entry.quote).keywords:
        yield f"{entry}: the quotation leaves out the word that makes it a requirement"
    for end in entry.ends:
        if end not in endpoints:
            yield f"{entry}: there is no endpoint {end}"
    for test in entry.tests:
        if not _exists(test, checks, root):
            yield f"{entry}: there is no {test}"


def _exists(test: str, checks: Iterable[str], root: Path) -> bool:
    if test.startswith(_SUITE):
        branch = test.removeprefix(_SUITE)
        return any(check == branch or check.startswith(f"{branch}/") for check in checks)
    file, _, name = test.partition("::")
    return file.startswith("tests/") and name in _functions(root / file)


@cache
def _functions(file: Path) -> frozenset[str]:
    """Return the names of a file's tests."""
    if not file.is_file():
        return frozenset()
    module = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


def summary(entries: Iterable[Entry], sentences: Iterable[Sentence]) -> list[str]:
    """Return a table: sentences by their strongest word, whom they bind, and what tests those that bind the registry."""
    columns = ("sentences", "registry", "by our tests", "by the suite", "by both", "client only", "neither")
    rows: dict[str, dict[str, int]] = {word: dict.fromkeys(columns, 0) for word in (*KEYWORDS, "all")}
    of = {found: entry for entry in entries for found in _matches(entry, sentences)}
    for sentence in sentences:
        entry = of.get(sentence)
        for word in (sentence.keywords[0], "all"):
            row = rows[word]
            row["sentences"] += 1
            for column in _columns(entry):
                row[column] += 1
    lines = ["".join(f"{title:>14}" for title in ("", *columns))]
    for word, row in rows.items():
        if row["sentences"]:
            lines.append(f"{word:14}" + "".join(f"{count:14}" for count in row.values()))
    return lines


def _columns(entry: Entry | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    if entry.binds != "registry":
        return ("client only",) if entry.binds == "client" else ("neither",)
    suite = [test for test in entry.tests if test.startswith(_SUITE)]
    tested = "by both" if suite and len(suite) < len(entry.tests) else "by the suite" if suite else "by our tests"
    return ("registry", tested) if entry.tests else ("registry",)


def main(arguments: list[str]) -> int:
    """Check the ledger against the specification and print its summary; return 1 when it isn't complete."""
    parser = argparse.ArgumentParser(prog="python -m conformance ledger", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--spec", metavar="FILE", type=Path, help="a copy of the specification's spec.md")
    options = parser.parse_args(arguments)
    try:
        text = options.spec.read_text(encoding="utf-8") if options.spec else specification()
        entries = load(LEDGER.read_text(encoding="utf-8"))
    except (SpecificationMissing, LedgerInvalid, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    found = list(problems(entries, text, recorded_checks()))
    for problem in found:
        print(problem)
    print("\n".join(summary(entries, requirements(text))))
    for entry in entries:
        if entry.deviates:
            print(f"not to the letter: {entry}: {entry.deviates}")
    print(f"{len(entries)} entries, {len(found)} problems")
    return 1 if found else 0
