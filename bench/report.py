"""The report: tables in Markdown, printed and kept in docs/benchmarks.md."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench.compare import Outcome
from bench.kinds import BASE, HELP, LIMIT
from bench.machine import machine
from bench.uploads_memory import BOUND
from bench.work import CLIENTS, MB, PULLS, Measure, Scale
from bench.wrk import CONNECTIONS, THREADS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
START, END = "<!-- analysis -->", "<!-- /analysis -->"
AUTHENTICATION = "## With authentication"
ADMISSION = "## With a policy"
VALIDATION = "## With schemas"
DESCRIPTIONS = "## Descriptions"
SEARCH = "## Search"
S3 = "## On S3"
SECTIONS = (AUTHENTICATION, ADMISSION, VALIDATION, DESCRIPTIONS, SEARCH, S3)
NONE = "-"


def report(outcome: Outcome, missing: list[str], scale: Scale, memory: str, profile: str) -> str:
    """Return the page without its hand-written part and S3; memory and profile are what those measurements said."""
    rounds = f"{scale.rounds} rounds" if scale.rounds > 1 else "one round"
    method = (
        f"Taken on {datetime.datetime.now(datetime.UTC):%Y-%m-%d} on {machine()}; the load generator shares its cores. "
        f"{rounds.capitalize()}: in each, every server starts with an empty directory, does all the work alone and is "
        f"stopped. Small GETs come from wrk ({CONNECTIONS} connections, {THREADS} threads, {scale.seconds} s after a "
        f"second to warm up), all else from {CLIENTS} or fewer processes, or one per stream; the large blob "
        f"is pulled {PULLS} times, and the median counts. Statuses, lengths and digests are checked. "
        f"*{LIMIT}* keeps files under their paths, neither hashing nor syncing: the limit of disk and load generator."
    )
    parts = [method, table(["server", "version"], [[kind.name, kind.version] for kind in outcome.kinds])]
    if missing:
        parts.append(f"Missing here, so not measured: {', '.join(missing)} ({HELP}).")
    parts += [f"## Relative to {BASE}", "More than 1 is better, in every row.", ratios(outcome)]
    parts += ["## Figures", f"Median of {rounds} (least-most).", figures(outcome), *notes(outcome)]
    parts += [f"## {BOUND / MB:.0f} MB for eight uploads of 2 GiB", memory]
    parts += ["## Where the processor time goes", profile]
    return "\n\n".join(parts)


def notes(outcome: Outcome) -> list[str]:
    """Return what could not be measured, as paragraphs."""
    return ["Not measured:", "\n".join(f"- {note}" for note in outcome.notes)] if outcome.notes else []


def write(page: str, sections: Mapping[str, str]) -> None:
    """Write the report into the documentation, with all of SECTIONS; what stands between the analysis markers there is kept."""
    analysis = f"{START}\n{END}"
    if PAGE.exists():
        _, start, rest = PAGE.read_text().partition(START)
        kept, end, _ = rest.partition(END)
        if start and end:
            analysis = f"{START}{kept}{END}"
    head = "# Benchmarks\n\n`make bench` writes this page; only the analysis is written by hand and kept."
    PAGE.write_text(f"{head}\n\n## Analysis\n\n{analysis}\n\n## How it was measured\n\n{page}\n")
    for title, text in sections.items():
        write_section(title, text)


def write_section(title: str, text: str) -> None:
    """Replace a section of the documentation, one of SECTIONS, which are its last ones and stand in that order."""
    page = PAGE.read_text()
    places = [page.find(f"\n{one}\n") for one in SECTIONS]
    known = {
        one: page[place + len(one) + 2 : min((later for later in places if later > place), default=len(page))].strip(
            "\n"
        )
        for one, place in zip(SECTIONS, places, strict=True)
        if place >= 0
    }
    begin = min((place for place in places if place >= 0), default=len(page))
    known[title] = text
    sections = [f"{one}\n\n{known[one]}" for one in SECTIONS if one in known]
    PAGE.write_text("\n\n".join([page[:begin].rstrip(), *sections]) + "\n")


def figures(outcome: Outcome) -> str:
    """Return a table of medians, with the least and the most."""

    def cell(_: Measure, figures: list[float], __: list[float]) -> str:
        middle = _number(median(figures))
        return middle if len(figures) == 1 else f"{middle} ({_number(min(figures))}-{_number(max(figures))})"

    return _rows(outcome, cell)


def ratios(outcome: Outcome) -> str:
    """Return a table of medians relative to those of BASE."""

    def cell(measure: Measure, figures: list[float], base: list[float]) -> str:
        if not base:
            return NONE
        ratio = median(figures) / median(base)
        return f"{ratio if measure.more_is_better else 1 / ratio:.2f}"

    return _rows(outcome, cell)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table whose columns line up in a terminal as well."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def _rows(outcome: Outcome, cell: Callable[[Measure, list[float], list[float]], str]) -> str:
    """Return a table of measures and servers; a cell gets a server's figures and those of the base."""
    rows = []
    for key, measure in outcome.measures.items():
        base = outcome.figures[BASE][key]
        row = [outcome.figures[kind.name][key] for kind in outcome.kinds]
        cells = [cell(measure, figures, base) if figures else NONE for figures in row]
        if set(cells) != {NONE}:
            rows.append([f"{measure.title}, {measure.unit}", *cells])
    return table(["", *(kind.name for kind in outcome.kinds)], rows)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}"
