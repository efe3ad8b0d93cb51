"""The matrix of real clients: each is put through every scenario for which it has the verbs, and what it did is checked.

command.py    the command line: `python -m conformance clients`
matrix.py     clients x scenarios against one registry
client.py     what a client is; layouts.py, containers.py what several have in common; one module for each client
scenarios/    what they are put through
images.py     what is pushed; wire.py the independent look; proxy.py a connection that can be cut
"""

from conformance.clients.command import main

__all__ = ["main"]
