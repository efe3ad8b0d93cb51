"""A private Sigstore on the loopback address: certificate authority, logs and timestamps, each the real program.

command.py      the command line: `python -m conformance sigstore`
services.py     its programs, started in turn and waited for
authorities.py  their keys and certificates
issuer.py       the OpenID provider, which believes whoever asks
identities.py   who gets a certificate on its word
"""

from conformance.sigstore.command import main

__all__ = ["main"]
