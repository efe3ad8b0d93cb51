"""Scanners: what looks for malware, for what pickles would do, for secrets, licences and requirements; each by its name."""
