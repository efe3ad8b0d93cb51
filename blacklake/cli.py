"""The command line: `blacklake serve|work|login|logout|search|inspect|diff|files|verify|sign|attest|migrate|admin|…`.

Each command imports what it needs when it runs, so that the client side works without the server's packages.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from blacklake import __version__
from blacklake.admin import admin
from blacklake.inspect import diff, files, inspect
from blacklake.login import login, logout
from blacklake.policy import policy
from blacklake.search import search
from blacklake.settings import USAGE, Config, DataDir, Refused, needing, settings_of
from blacklake.sign import attest, sign
from blacklake.verify import verify

Host = Annotated[str | None, Parameter(help="Address to listen on.")]
Port = Annotated[int | None, Parameter(help="Port to listen on; 0 takes a free one.")]
Workers = Annotated[int | None, Parameter(help="Processes that answer requests.")]
Server = Annotated[Literal["granian", "hypercorn"] | None, Parameter(help="Program that speaks HTTP.")]
AdminListen = Annotated[str | None, Parameter(help="HOST:PORT for /metrics and for /ready with details.")]
InsecureOpen = Annotated[
    bool | None,
    Parameter(negative=(), help="Serve without authentication on an address that others reach."),
]

app = App(
    name="blacklake",
    help="A registry where models and datasets live as OCI artifacts.",
    version=__version__,
    result_action="return_value",
)
migrate = App(name="migrate", help="Bring the database's schema up or down; by default up.")
app.command(migrate)
app.command(login)
app.command(logout)
app.command(search)
app.command(inspect)
app.command(diff)
app.command(files)
app.command(verify)
app.command(sign)
app.command(attest)
app.command(policy)
app.command(admin)


def main() -> None:
    """Run the command line and exit: 0 done, 1 not possible or refused, 2 wrong usage or settings, or undecided."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int | None:
    """Run a command by its words; return its exit code, None for 0. What is wrong is said on the standard error output."""
    try:
        code: int | None = app(words, exit_on_error=False, print_error=False)
    except Refused as refusal:
        return _complain(str(refusal), refusal.code)
    except CycloptsError as error:
        return _complain(str(error), USAGE)
    except KeyboardInterrupt:
        return 130
    return code


@app.command
def serve(
    *,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    config: Config = None,
    workers: Workers = None,
    server: Server = None,
    admin_listen: AdminListen = None,
    insecure_open: InsecureOpen = None,
) -> int:
    """Serve the registry until Ctrl-C or SIGTERM."""
    with needing("server"):
        from registry.supervisor import StartFailed, run

        settings = settings_of(
            config,
            host=host,
            port=port,
            data_dir=data_dir,
            workers=workers,
            server=server,
            admin_listen=admin_listen,
            insecure_open=insecure_open,
        )
        try:
            return run(settings)
        except StartFailed as error:
            raise Refused(str(error)) from error


@app.command
def work(*, data_dir: DataDir = None, config: Config = None, admin_listen: AdminListen = None) -> int:
    """Do the background work of servers on the same database and storage, until Ctrl-C or SIGTERM."""
    with needing("server"):
        from registry.supervisor import StartFailed
        from registry.working import run

        try:
            return run(settings_of(config, data_dir=data_dir, admin_listen=admin_listen))
        except StartFailed as error:
            raise Refused(str(error)) from error


@migrate.default
@migrate.command
def up(*, data_dir: DataDir = None, config: Config = None) -> None:
    """Bring the schema up to what this version needs."""
    with _upkeep():
        from registry.upkeep import bring_schema_up

        print(bring_schema_up(settings_of(config, data_dir=data_dir)))


@migrate.command
def down(
    revision: Annotated[str, Parameter(help="Revision to go back to; `base` is before the first.")],
    *,
    yes: Annotated[bool, Parameter(negative=(), help="Go back without asking.")] = False,
    lose_data: Annotated[bool, Parameter(negative=(), help="Go back even where that loses data.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Undo revisions of the schema, after asking."""
    with _upkeep():
        from registry.upkeep import bring_schema_down

        settings = settings_of(config, data_dir=data_dir)
        print(bring_schema_down(settings, revision, lose_data=lose_data, agree=(lambda _: True) if yes else _agree))


@migrate.command
def status(*, data_dir: DataDir = None, config: Config = None) -> None:
    """Tell the schema's version, the oldest code that fits it, and what is pending."""
    with _upkeep():
        from registry.upkeep import schema_status

        print(schema_status(settings_of(config, data_dir=data_dir)))


@migrate.command
def postgres(*, data_dir: DataDir = None, config: Config = None) -> None:
    """Move the embedded database to the newest PostgreSQL here; the old one is kept."""
    with _upkeep():
        from registry.upkeep import move_postgres

        move_postgres(settings_of(config, data_dir=data_dir), say=print)


@app.command(name="config")
def show_config(
    *,
    config: Config = None,
    docs: Annotated[bool, Parameter(negative=(), help="Print the documentation's table instead.")] = False,
) -> None:
    """Show the settings in effect and where each comes from; passwords are masked."""
    with needing("server"):
        from registry.config import documentation, sources

        if docs:
            print(documentation())
            return
        values = settings_of(config).shown()
        origins = sources(config)
        width = max(map(len, values))
        middle = max(map(len, values.values()))
        for name, value in values.items():
            print(f"{name:{width}}  {value:{middle}}  {origins[name]}")


@app.command
def version() -> None:
    """Tell the version of Blacklake."""
    print(__version__)


@contextlib.contextmanager
def _upkeep() -> Iterator[None]:
    """Say why work on the database could not be done."""
    with needing("server"):
        from registry.upkeep import DecisionNeeded, UpkeepFailed

        try:
            yield
        except DecisionNeeded as error:
            raise Refused(str(error), USAGE) from error
        except UpkeepFailed as error:
            raise Refused(str(error)) from error


def _agree(question: str) -> bool:
    """Ask the person at the terminal; refuse where there is none."""
    from registry.upkeep import DecisionNeeded

    if not sys.stdin.isatty():
        raise DecisionNeeded(f"{question} Nobody is here to ask: say --yes")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _complain(message: str, code: int) -> int:
    print(f"blacklake: {message}", file=sys.stderr)
    return code
