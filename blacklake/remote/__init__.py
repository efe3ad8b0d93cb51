"""The verbs of `blacklake admin` over the API of a running registry, without the server's packages."""
