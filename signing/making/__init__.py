"""Make signatures and attestations: what is to be pushed, and what services of a Sigstore are asked and answer.

All of it is pure: values in, values out. Whoever calls sends the requests and pushes the manifests.
"""
