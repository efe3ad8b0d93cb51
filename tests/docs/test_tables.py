"""What the documentation lists is what the code has: settings, codes, endpoints, metrics, files."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from mediatypes.codes import ErrorCode
from mediatypes.endpoints import ENDPOINTS
from registry import metrics
from registry.config import documentation
from registry.http.api.routes import ROUTES
from registry.http.errors import STATUS
from registry.http.pages.router import ENDPOINTS as PAGES_OF_PEOPLE
from tests.docs.commands import PAGES, ROOT

DOCS = ROOT / "docs"


def rows(page: str) -> list[list[str]]:
    """Return the cells of every table row of a page, without back-ticks."""
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]


def test_the_table_of_settings_is_the_one_that_the_code_writes() -> None:
    assert documentation() in (DOCS / "configuration.md").read_text()


def test_every_error_code_is_listed_with_its_statuses() -> None:
    statuses = defaultdict(set)
    for error, status in STATUS.items():
        statuses[error.code].add(str(status))
    listed = {row[0]: set(re.findall(r"\d+", row[1])) for row in rows("errors.md") if row[0] in ErrorCode.__members__}
    assert listed == {code.value: statuses[code] for code in ErrorCode}


def test_every_endpoint_is_listed_with_its_methods() -> None:
    methods = defaultdict(set)
    for (_, method), number in ENDPOINTS.items():
        methods[number].add(method)
    listed = {row[0]: set(re.findall(r"\b[A-Z]{3,}\b", row[1])) for row in rows("api.md") if row[0] in methods}
    listed["token"] -= {"HEAD"}  # of which it says that it isn't one
    heads = {number for number, found in listed.items() if "GET" in found} - {"token"}
    assert {number: found | ({"HEAD"} if number in heads else set()) for number, found in listed.items()} == methods


def test_every_route_of_the_admin_api_is_listed_with_its_methods_and_whom_it_is_for() -> None:
    made, is_for = defaultdict(set), defaultdict(set)
    for route in ROUTES:
        path = "/api/v1" + re.sub(r"<(?:[^:>]*:)?([^>]+)>", r"{\1}", route.path)
        made[path].add(route.method)
        is_for[path].add(
            "reader"
            if route.is_for_readers
            else "registry"
            if not route.is_delegated
            else "anybody"
            if path.startswith("/api/v1/me")
            else "organisation"
        )
    listed = {row[0].rpartition(" ")[2]: row for row in rows("api.md") if "/api/v1/" in row[0]}
    assert {path: set(re.findall(r"\b[A-Z]{3,}\b", row[0])) for path, row in listed.items()} == made
    assert {path for path, row in listed.items() if row[1] not in is_for[path]} == set()


def test_every_page_is_listed_with_its_methods() -> None:
    methods = defaultdict(set)
    for (path, method), endpoint in PAGES_OF_PEOPLE.items():
        methods[endpoint.name, path].add(method)
    names = {name for name, _ in methods}
    listed = {
        (row[0], re.findall(r"/auth[a-z/]*", row[1])[0]): set(re.findall(r"\b[A-Z]{3,}\b", row[1]))
        for row in rows("api.md")
        if row[0] in names
    }
    assert listed == methods


def test_every_metric_is_listed_with_its_labels() -> None:
    metrics.observe_request("end-1", "GET", 200, 0.1, 1, 1)
    metrics.observe_transaction("a_name", "done", 0.1)
    described = set(re.findall(r"^# TYPE (\S+)", metrics.exposition().decode(), re.MULTILINE))
    listed = {row[0] for row in rows("operating.md") if row[0].startswith("blacklake_")}
    assert listed == {name for name in described if not name.endswith("_created")}


def test_every_test_that_the_security_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (DOCS / "security.md").read_text())
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_decision_that_the_code_names_is_one() -> None:
    numbered = set(re.findall(r"^(\d+)\. ", (DOCS / "design.md").read_text(), re.MULTILINE))
    named = [
        (str(file.relative_to(ROOT)), number)
        for room in ("registry", "mediatypes", "blacklake")
        for file in (ROOT / room).rglob("*.py")
        for phrase in re.findall(r"DESIGN\b[^)\n]*", file.read_text())
        for number in re.findall(r"\d+", phrase)
    ]
    assert len(named) > 5
    assert [reference for reference in named if reference[1] not in numbered] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert place.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
