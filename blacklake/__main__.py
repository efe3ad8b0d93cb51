"""`python -m blacklake` is the command `blacklake`."""

from blacklake.cli import main

main()
