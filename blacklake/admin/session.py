"""`blacklake admin session`."""

from __future__ import annotations

from cyclopts import App

session = App(name="session", help="x")
