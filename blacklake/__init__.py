"""What users of Blacklake import and type. Importing it needs none of the server's packages."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("blacklake")
