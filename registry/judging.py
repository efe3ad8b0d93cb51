"""What is done with policies in the sandbox: they are read, and artifacts judged (`answer`, in a child of registry.sandboxed).

Policies, trust roots, signatures and certificates are all written by somebody else. What comes out is plain.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from signing.authorities import Authority
from signing.evidence import Evidence, Known
from signing.policy.context import Judge
from signing.policy.document import read_policy
from signing.policy.evaluation import evaluate
from signing.policy.policy import roots_needed
from signing.policy.problems import InvalidPolicy
from signing.policy.signers import PUBLIC_GOOD
from signing.policy.verdict import Branch, Verdict
from signing.roots import TrustRoot
from signing.verification import Found, judge

# Read once: the process that forks has it, and its children may read no file.
_BUILT_IN: Final = {PUBLIC_GOOD: TrustRoot.public_good()}
_SAMPLE: Final = b"""
version: 1
name: sample
mode: observe
signers:
  somebody: {identities: [{issuer: "https://issuer.example", identity: somebody}], root: public-good}
require:
  any:
    - signature: {by: somebody}
    - attestation: {type: slsaprovenance1, by: somebody, where: 'predicate.result == "PASSED"'}
    - license: {in: [MIT]}
    - record: 'record.kind == "model"'
"""
_MOST_NOTES: Final = 50  # of a branch
_LONGEST: Final = 1000  # characters of a text


def answer(task: dict[str, Any], source: object) -> Any:
    """Do a task: read a `policy`, read a trust `root`, or judge an artifact by several."""
    del source
    if "policy" in task:
        return _read_policy(task["policy"])
    if "root" in task:
        return _read_root(task["root"])
    return _judged(task)


def _read_policy(content: bytes) -> dict[str, Any]:
    try:
        policy = read_policy(content)
    except InvalidPolicy as error:
        return {"problems": [[one.pointer[:_LONGEST], one.message[:_LONGEST]] for one in error.problems[:_MOST_NOTES]]}
    return {"name": policy.name, "mode": policy.mode.value, "roots": sorted(roots_needed(policy))}


def _read_root(content: bytes) -> dict[str, Any]:
    try:
        TrustRoot.parse(content)
    except ValueError as error:
        return {"problem": str(error)[:_LONGEST]}
    return {}


def _judged(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a verdict for each of the task's policies, in their order."""
    evidence = msgspec.msgpack.decode(task["evidence"], type=Evidence)
    signatures: Judge = judge
    if task["index"] is not None:
        index = msgspec.msgpack.decode(task["index"], type=Evidence)
        evidence = msgspec.structs.replace(evidence, problems=(*evidence.problems, *_lacking(index)))
        signatures = _with_those_of(index)
    roots = _BUILT_IN | {name: TrustRoot.parse(content) for name, content in task["roots"].items()}
    found = []
    for version, content in task["policies"]:
        verdict = evaluate(read_policy(content), evidence, roots, now=task["now"], version=version, judge=signatures)
        found.append(msgspec.to_builtins(_bounded(verdict)))
    return found


def _with_those_of(index: Evidence) -> Judge:
    """Return who finds the signatures of an artifact, and those of an index: by its digest they speak of what it contains."""

    def find(evidence: Evidence, authority: Authority, *, now: datetime) -> Found:
        own, others = (judge(one, authority, now=now) for one in (evidence, index))
        return Found((*own.verified, *others.verified), (*own.rejected, *others.rejected))

    return find


def _lacking(index: Evidence) -> list[str]:
    """Return what could not be gathered of what speaks of an index."""
    missing = ((one, *layer) for one in index.attached for layer in one.missing.items())
    return [*index.problems, *(f"the layer {digest} of {one.digest} {why}" for one, digest, why in missing)]


def _warm_up() -> None:
    """Read and judge once, so that what is only loaded then is loaded in the process that forks."""
    nothing = Evidence("sha256:" + "0" * 64, "application/vnd.oci.image.manifest.v1+json", b"{}", (), (), Known({}))
    evaluate(read_policy(_SAMPLE), nothing, _BUILT_IN, now=datetime(2026, 1, 1, tzinfo=UTC))


def _bounded(verdict: Verdict) -> Verdict:
    """Return a verdict whose texts are of a length that can be kept and shown."""
    problems = tuple(_cut(text) for text in verdict.problems[:_MOST_NOTES])
    return msgspec.structs.replace(verdict, branch=_bounded_branch(verdict.branch), problems=problems)


def _bounded_branch(branch: Branch) -> Branch:
    return msgspec.structs.replace(
        branch,
        requirement=_cut(branch.requirement),
        reason=_cut(branch.reason),
        branches=tuple(map(_bounded_branch, branch.branches)),
        notes=tuple(_cut(text) for text in branch.notes[:_MOST_NOTES]),
    )


def _cut(text: str) -> str:
    plain = text.encode(errors="replace").decode()  # halves of surrogate pairs, which UTF-8 can't
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}…"


_warm_up()
