"""The only place where things are wired: it alone names concrete drivers."""
