"""Background work: thin loops over core."""
