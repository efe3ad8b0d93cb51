"""The command line: `python -m bench [--quick]`, and parts of it: `python -m bench [--quick] s3|authentication|…`."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import kinds, report, s3
from bench.admission import admission
from bench.authentication import authentication
from bench.compare import compare
from bench.descriptions import ARTIFACTS, descriptions
from bench.descriptions import ROUNDS as DESCRIPTIONS_ROUNDS
from bench.errors import BenchmarkError
from bench.profile import profile
from bench.search import ROUNDS, search
from bench.uploads_memory import STREAMS, uploads_memory
from bench.validation import PUSHES, validation
from bench.validation import ROUNDS as VALIDATION_ROUNDS
from bench.work import FULL, QUICK, Scale


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare Blacklake with other registries.")
    parser.add_argument("--quick", action="store_true", help="little work, one round, nothing written: a smoke run")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    memory = commands.add_parser("uploads-memory", help="only: memory during large uploads at once")
    memory.add_argument("--size", type=int, default=FULL.upload, help="bytes of each upload (default: %(default)s)")
    memory.add_argument("--streams", type=int, default=STREAMS, help="uploads at once (default: %(default)s)")
    memory.add_argument("--on", choices=s3.ROUNDS, help="an S3 server that blobs are stored in (default: files)")
    commands.add_parser("s3", help="only: Blacklake and distribution v3 with their blobs in S3")
    commands.add_parser("authentication", help="only: what a token in every request costs")
    commands.add_parser("admission", help="only: what a policy on pulls costs")
    commands.add_parser("validation", help="only: what schemas add to a push")
    commands.add_parser("descriptions", help="only: how many artifacts are described in a second")
    commands.add_parser("search", help="only: how long it takes to find artifacts")
    commands.add_parser("profile", help="only: who uses the processor during manifest GETs by tag")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for; 0 when all of Blacklake's work was done and its memory stayed bounded."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            return _run(arguments, Path(name))
    except BenchmarkError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; everything is stopped and removed.", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace, directory: Path) -> int:
    if arguments.command == "profile":
        print(profile(kinds.ours(), directory, FULL.seconds))
        return 0
    if arguments.command == "uploads-memory":
        how = {"size": arguments.size, "streams": arguments.streams}
        if arguments.on:
            memory = s3.uploads_memory_on(arguments.on, directory, **how)
        else:
            memory = uploads_memory(kinds.ours(), directory, **how)
        print(memory.markdown())
        return 0 if memory.bounded else 1
    scale = QUICK if arguments.quick else FULL
    if arguments.command is None:
        return _compare(scale, directory)
    title, measured = _SECTIONS[arguments.command]
    section, is_good = measured(scale, directory)
    print(f"\n{section}")
    if scale is FULL:
        report.write_section(title, section)
    return 0 if is_good else 1


def _authentication(scale: Scale, directory: Path) -> tuple[str, bool]:
    return authentication(scale.seconds, directory)


def _admission(scale: Scale, directory: Path) -> tuple[str, bool]:
    return admission(scale.seconds, directory)


def _validation(scale: Scale, directory: Path) -> tuple[str, bool]:
    """Return the section on schemas; a smoke run's few pushes say nothing of how long one takes."""
    if scale is FULL:
        return validation(VALIDATION_ROUNDS, PUSHES, directory)
    return validation(1, 5, directory)[0], True


def _descriptions(scale: Scale, directory: Path) -> tuple[str, bool]:
    """Return the section on descriptions, which has no bound."""
    if scale is FULL:
        return descriptions(DESCRIPTIONS_ROUNDS, ARTIFACTS, directory), True
    return descriptions(1, 5, directory), True


def _search(scale: Scale, directory: Path) -> tuple[str, bool]:
    """Return the section on search; a smoke run's few artifacts say nothing of how long it takes."""
    if scale is FULL:
        return search(ROUNDS, 100_000, directory)
    return search(1, 300, directory)[0], True


# Parts of the page that are measured alone, too: each says what it found, and whether that is as it must be.
_SECTIONS: dict[str, tuple[str, Callable[[Scale, Path], tuple[str, bool]]]] = {
    "authentication": (report.AUTHENTICATION, _authentication),
    "admission": (report.ADMISSION, _admission),
    "validation": (report.VALIDATION, _validation),
    "descriptions": (report.DESCRIPTIONS, _descriptions),
    "search": (report.SEARCH, _search),
    "s3": (report.S3, s3.section),
}


def _compare(scale: Scale, directory: Path) -> int:
    found, missing = kinds.found()
    if missing:
        print(f"Missing here, so not measured: {', '.join(missing)} ({kinds.HELP}).")
    outcome = compare(found, scale, directory)
    bounded = False
    try:
        uploads = uploads_memory(kinds.ours(), directory, size=scale.upload)
        bounded, memory = uploads.bounded, uploads.markdown()
    except (BenchmarkError, OSError) as error:
        memory = f"Not measured: {error}"
    try:
        shares = profile(kinds.ours(), directory, scale.seconds)
    except (BenchmarkError, OSError) as error:
        shares = f"Not measured: {error}"
    measured = {title: measure(scale, directory) for title, measure in _SECTIONS.values()}
    page = report.report(outcome, missing, scale, memory, shares)
    sections = {title: section for title, (section, _) in measured.items()}
    print("\n\n".join(["", page, *sections.values()]))
    if scale is FULL:
        report.write(page, sections)
    failed = any(note.startswith(kinds.OURS) for note in outcome.notes)
    return 0 if bounded and all(is_good for _, is_good in measured.values()) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
