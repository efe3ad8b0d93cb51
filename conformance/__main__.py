"""`python -m conformance COMMAND`: each command is the `main` of the module of the same name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Final

_COMMANDS: Final = {
    "suite": "run the official conformance suite against Blacklake",
    "ledger": "check that every sentence of the specification that binds a registry has its test",
    "clients": "run the matrix of real clients",
    "sigstore": "run a private Sigstore",
    "tools": "build the tools that the others use",
}


def main(arguments: list[str]) -> int:
    """Run the command that is named first; return its exit code, 2 for one that doesn't exist."""
    if not arguments or arguments[0] not in _COMMANDS:
        print("usage: python -m conformance COMMAND [--help]\n", file=sys.stderr)
        for name, meaning in _COMMANDS.items():
            print(f"  {name:8} {meaning}", file=sys.stderr)
        return 0 if arguments[:1] == ["--help"] else 2
    command: Callable[[list[str]], int] = importlib.import_module(f"conformance.{arguments[0]}").main
    return command(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
