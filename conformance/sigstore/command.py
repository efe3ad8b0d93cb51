"""`python -m conformance sigstore`: a private Sigstore that runs until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from conformance.sigstore.identities import PEOPLE
from conformance.sigstore.services import SigstoreFailed, running
from conformance.tools import ToolMissing


def main(arguments: list[str]) -> int:
    """Run a private Sigstore and say how it is used; return 1 when it can't be started."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance sigstore",
        description="Run a private Sigstore on the loopback address until it is interrupted.",
    )
    parser.add_argument("directory", type=Path, help="a new or empty directory for its keys, files and logs")
    directory: Path = parser.parse_args(arguments).directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        parser.error(f"{directory} is not empty; keys and logs are made anew each time: name another")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with running(directory) as sigstore:
            print(
                f"Fulcio, Rekor 2 and timestamps run on {sigstore.fulcio}, {sigstore.rekor} and {sigstore.timestamp_url}."
            )
            print(f"An identity token: curl '{sigstore.issuer.url}/{PEOPLE}/token?sub=me&email=me@example.com' >token")
            print(f"cosign sign --identity-token token --signing-config {sigstore.signing_config} IMAGE")
            print(f"Trust in it: {sigstore.trusted_root}. It runs until Ctrl-C.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except ToolMissing as error:
        print(f"{error} (all of it: python -m conformance tools cosign signing)", file=sys.stderr)
        return 1
    except SigstoreFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0
