"""`blacklake admin keys`."""

from __future__ import annotations

from cyclopts import App

keys = App(name="keys", help="x")
