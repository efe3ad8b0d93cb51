"""Signatures and what is decided by them: read in every form, verified in numbered steps, judged by policies.

Nothing here opens a file, a connection or a database: what is to be judged is gathered by others (`signing.evidence`), and a
verdict is a value. The same code answers in the registry, on the command line and in a cluster's admission.
"""
