"""The benchmark: Blacklake side by side with other registries, in one run, seen only from outside.

Nothing of ours is imported here: every server is a process that is started and spoken to over HTTP.
"""
