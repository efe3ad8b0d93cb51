"""Policies decide on pulls."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from mediatypes.digest import Digest
from mediatypes.names import RepositoryName, parse_tag
from registry.compose.verbs import create_services
from registry.config import Settings
from registry.core.access import EVERYONE
from registry.core.identities import Identities
from registry.core.policies import Policies
from registry.core.services import Services
from registry.core.trials import Trials
from registry.db.pool import Database
from registry.errors import BlobUnknown, ManifestUnknown, NotAdmitted, Unavailable
from registry.sandbox import Refused
from registry.storage.base import BlobStore
from tests.core.admitting import (
    ACTOR,
    KEY,
    OTHER_KEY,
    PULLER,
    InProcess,
    attach,
    enforce,
    image_of,
    is_admitted,
    layer_of,
    policies,
    puller,
    push,
    push_image,
    sandbox,
    serves,
    services,
    sign,
    signed_policy,
    tag_of,
)
from tests.core.support import NAME, OTHER, index, push_blob

__all__ = ["policies", "sandbox", "services"]


@pytest.fixture
async def other_node(settings: Settings, other_database: Database, store: BlobStore) -> AsyncIterator[Services]:
    """Return a node that judges in a process, as nodes do."""
    made = create_services(settings, other_database, store)
    yield made
    await made.judge.close()


async def test_what_is_not_signed_is_not_pulled_and_what_is_signed_is(services: Services, policies: Policies) -> None:
    digest = await push_image(services, b"layer")
    assert await is_admitted(services, digest)
    assert await serves(services, b"layer")
    await enforce(policies)
    with pytest.raises(NotAdmitted) as refused:
        await services.manifests.pull(NAME, digest, PULLER)
    first, line = refused.value.message.splitlines()
    assert first == f"{NAME}@{digest} is not admitted:"
    assert line.startswith("policy signed (version 1 on team): ")
    assert refused.value.detail["verdicts"][0]["policy"] == "signed"  # type: ignore[index]
    assert not await serves(services, b"layer")
    assert not await serves(services, b"{}")
    await sign(services, digest, OTHER_KEY)
    assert not await is_admitted(services, digest)
    signature = await sign(services, digest)
    assert await is_admitted(services, digest)
    assert await serves(services, b"layer")
    assert await serves(services, b"layer")  # by what is remembered now
    await services.manifests.delete(NAME, signature)
    assert not await is_admitted(services, digest)
    assert not await serves(services, b"layer")


async def test_a_real_sandbox_decides_the_same(services: Services, other_node: Services, policies: Policies) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    assert not await is_admitted(other_node, digest)
    await sign(services, digest)
    assert await is_admitted(other_node, digest)


async def test_a_signature_under_a_tag_counts_as_long_as_the_tag_is_there(
    services: Services, policies: Policies
) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    tag = f"sha256-{digest.encoded}.sig"
    await attach(services, tag_of(digest, OTHER_KEY), tag=tag)
    assert not await is_admitted(services, digest)
    signature = await attach(services, tag_of(digest), tag=tag)
    assert await is_admitted(services, digest)
    assert await is_admitted(services, tag)
    assert await is_admitted(services, signature)
    assert await serves(services, await layer_of(services, signature))
    await services.tags.delete(NAME, parse_tag(tag))
    assert not await is_admitted(services, digest)
    again = await attach(services, tag_of(digest), tag=tag)
    assert await is_admitted(services, digest)
    await services.manifests.delete(NAME, again)
    assert not await is_admitted(services, digest)


async def test_a_child_passes_by_a_signed_index_that_contains_it(services: Services, policies: Policies) -> None:
    await enforce(policies)
    child = await push_image(services, b"layer")
    unsigned = await push(services, index(child, note="unsigned"))
    nested = await push(services, index(unsigned))
    assert not await is_admitted(services, child)
    await sign(services, nested)
    for digest in (nested, unsigned, child):
        assert await is_admitted(services, digest)
        assert await is_admitted(services, digest)
    assert await serves(services, b"layer")
    decision = await services.admission.decision(NAME, child)
    assert decision.judged[0].through == nested
    await services.manifests.delete(NAME, nested)
    assert not await is_admitted(services, child)
    assert not await serves(services, b"layer")
    other = await push(services, index(child, note="another"))
    await sign(services, other)
    assert await is_admitted(services, child)
    assert not await is_admitted(services, unsigned)


async def containers(services: Services, child: Digest, count: int) -> list[Digest]:
    """Push indexes of a child, and return them in the order of their digests."""
    return sorted([await push(services, index(child, note=str(number))) for number in range(count)], key=str)


async def test_indexes_of_which_nothing_speaks_are_not_asked_and_a_child_is_gathered_once_for_the_others(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies)
    child = await push_image(services, b"layer")
    *_, first, second = await containers(services, child, 5)
    for one in (first, second):
        await sign(services, one, OTHER_KEY)
    gathered = []
    of = services.gathering.of

    async def noted(repository_id: int, digest: Digest, new: Any = None) -> Any:
        gathered.append(digest)
        return await of(repository_id, digest, new)

    monkeypatch.setattr(services.gathering, "of", noted)
    sandbox.asked.clear()
    assert not await is_admitted(services, child)
    assert gathered == [child, child, first, second]  # by itself, and with the indexes
    assert len(sandbox.asked) == 3


async def test_nobody_hides_a_signed_index_behind_others(
    services: Services, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.core.evidence._MOST_INDEXES", 2)
    await enforce(policies)
    child = await push_image(services, b"layer")
    *others, last = await containers(services, child, 4)
    for one in others:
        await push_image(services, b"notes", subject=one)
    nested = await push(services, index(last))
    await attach(services, tag_of(nested), tag=f"sha256-{nested.encoded}.sig")
    assert await is_admitted(services, child)


async def test_an_index_that_can_not_be_judged_keeps_no_other_from_letting_a_child_through(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies)
    child = await push_image(services, b"layer")
    first, last = await containers(services, child, 2)
    await sign(services, first, OTHER_KEY)
    run = sandbox.run

    async def fail(task: Any, *arguments: Any, **more: Any) -> Any:
        if task["index"] is not None and str(first).encode() in task["index"]:
            raise Refused("keeps its reader busy")
        return await run(task, *arguments, **more)

    monkeypatch.setattr(sandbox, "run", fail)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await is_admitted(services, child)
    await sign(services, last)
    assert await is_admitted(services, child)


async def test_what_an_organisation_has_judged_keeps_no_other_waiting(
    services: Services, database: Database, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Identities(database).add_organisation("rival", actor=ACTOR)
    rival = RepositoryName("rival/model")
    mine = [await push_image(services, layer) for layer in (b"1", b"2")]
    other = await push_image(services, b"3", name=rival)
    for target in ("team", "rival"):
        await enforce(policies, target)
    begun: list[Digest] = []
    first, end = asyncio.Event(), asyncio.Event()
    run = sandbox.run

    async def slowly(task: Any, *arguments: Any, **more: Any) -> Any:
        digest = next(one for one in (*mine, other) if str(one).encode() in task["evidence"])
        begun.append(digest)
        if digest in mine:
            first.set()
            await end.wait()
        return await run(task, *arguments, **more)

    monkeypatch.setattr(sandbox, "run", slowly)
    asked = [asyncio.create_task(is_admitted(services, digest)) for digest in mine]
    await first.wait()
    assert not await is_admitted(services, other, rival)
    await asyncio.wait(asked, timeout=0.5)
    assert len(begun) == 2
    end.set()
    assert await asyncio.gather(*asked) == [False, False]
    assert sorted(begun, key=str) == sorted((*mine, other), key=str)


async def test_a_signed_child_lets_no_index_through(services: Services, policies: Policies) -> None:
    await enforce(policies)
    child = await push_image(services, b"layer")
    await sign(services, child)
    assert not await is_admitted(services, await push(services, index(child)))


GOOD = {"record": 'artifact.annotations.note.startsWith("good")'}
SIGNED = {"signature": {"by": "release"}}
# What is asked for; what an image is, and who has signed it; the same of an index of it; which of the two are admitted.
OF_INDEXES: list[tuple[dict[str, object], tuple[str, Any], tuple[str, Any], tuple[bool, bool]]] = [
    (GOOD, ("bad", None), ("good", None), (False, True)),
    ({"any": [GOOD, SIGNED]}, ("bad", None), ("good", None), (False, True)),
    ({"all": [GOOD, SIGNED]}, ("bad", KEY), ("good", KEY), (False, True)),
    ({"all": [GOOD, SIGNED]}, ("good", None), ("bad", KEY), (True, False)),
    ({"any": [GOOD, SIGNED]}, ("bad", None), ("bad", KEY), (True, True)),
    ({"not": SIGNED}, ("bad", KEY), ("good", None), (False, True)),
    (SIGNED, ("bad", None), ("good", OTHER_KEY), (False, False)),
]


async def test_of_a_child_an_index_says_no_more_than_who_has_signed_it(
    services: Services, database: Database, policies: Policies, sandbox: InProcess
) -> None:
    trials = Trials(database, services.gathering, services.judge)
    for number, (require, child, container, expected) in enumerate(OF_INDEXES):
        name = RepositoryName(f"team/of-indexes-{number}")
        policy = signed_policy(require=require)
        await policies.put(name, policy, on="pull", actor=ACTOR)
        image = await push(services, await image_of(services, b"layer", name=name, note=child[0]), "v1", name=name)
        both = (image, await push(services, index(image, note=container[0]), "v2", name=name))
        for digest, (_, key) in zip(both, (child, container), strict=True):
            if key is not None:
                await sign(services, digest, key, name=name)
        asked = [await is_admitted(services, digest, name) for digest in both]
        assert asked == [*expected], require
        sandbox.asked.clear()
        asked = [await is_admitted(services, digest, name) for digest in both]
        assert asked == [*expected], require
        assert not sandbox.asked, "what is refused is not judged again either"
        page = await trials.page(name, policy, since=None, after="", limit=9, by=None)
        assert {one.digest: one.passes for one in page.items} == dict(zip(map(str, both), expected, strict=True)), (
            require
        )


async def test_what_speaks_of_an_artifact_is_read_by_who_may_read_that(services: Services, policies: Policies) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    wrong = await sign(services, digest, OTHER_KEY)
    assert not await is_admitted(services, wrong)
    signature = await sign(services, digest)
    for one in (wrong, signature):
        assert await is_admitted(services, one)
        assert await is_admitted(services, one)
    of_signature = await sign(services, signature)
    assert await is_admitted(services, of_signature)
    assert await serves(services, await layer_of(services, wrong))


async def test_a_subject_lets_nobody_around_a_policy(services: Services, policies: Policies) -> None:
    await enforce(policies)
    good = await push_image(services, b"good")
    await sign(services, good)
    evil = json.loads(await image_of(services, b"evil", subject=good))
    evil["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json"
    evil["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar"
    evil["config"]["digest"] = str(await push_blob(services, b'{"os": "linux"}'))
    image = await push(services, json.dumps(evil).encode())
    assert not await is_admitted(services, image)
    assert not await serves(services, b"evil")
    disguised = evil | {"artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"}
    assert not await is_admitted(services, await push(services, json.dumps(disguised).encode()))
    model = evil | {"artifactType": "application/vnd.cncf.model.manifest.v1+json"}
    assert not await is_admitted(services, await push(services, json.dumps(model).encode()))
    container = json.loads(index(image)) | {"subject": evil["subject"]}
    assert not await is_admitted(services, await push(services, json.dumps(container).encode()))
    del evil["subject"]
    tag = f"sha256-{good.encoded}.sig"
    await push(services, json.dumps(evil).encode(), tag)
    assert not await is_admitted(services, tag)
    assert not await serves(services, b"evil")


async def test_a_tag_of_signatures_lets_nobody_around_a_policy(services: Services, policies: Policies) -> None:
    await enforce(policies)
    good = await push_image(services, b"good")
    signature = await sign(services, good)
    weights = await push_blob(services, b"weights")
    for suffix in ("", ".sig", ".att", ".sbom"):
        tag = f"sha256-{good.encoded}{suffix}"
        await push(services, await image_of(services, b"weights", note=suffix), tag)
        assert not await is_admitted(services, tag), tag
    assert not await serves(services, weights)
    tag = f"sha256-{good.encoded}"
    for listed in (weights, good):
        await push(services, index(signature, listed), tag)
        assert not await is_admitted(services, tag)
    assert not await serves(services, weights)
    await push(services, index(signature), tag)
    assert await is_admitted(services, tag)


async def test_a_blob_that_only_an_index_names_is_not_served(services: Services, policies: Policies) -> None:
    await enforce(policies)
    cached = await push_blob(services, b"cached")
    container = await push(services, index(cached))
    await sign(services, container)
    assert await is_admitted(services, container)
    with pytest.raises(NotAdmitted, match="as config or layer"):
        await services.blobs.pull(NAME, cached, PULLER)
    await sign(services, await push_image(services, b"cached"))
    assert await serves(services, cached)


async def test_of_many_manifests_that_name_a_blob_few_are_judged(
    services: Services, policies: Policies, sandbox: InProcess
) -> None:
    await enforce(policies)
    oldest = await push_image(services, b"layer", note="oldest")
    await sign(services, oldest)
    for number in range(12):
        await push_image(services, b"layer", note=str(number))
    sandbox.asked.clear()
    with pytest.raises(
        NotAdmitted, match=r"of the manifests that name it the newest were judged; pull another one first"
    ):
        await services.blobs.pull(NAME, Digest.of(b"layer"), PULLER)
    assert len(sandbox.asked) == 10
    assert await is_admitted(services, oldest)
    sandbox.asked.clear()
    assert await serves(services, b"layer")
    assert not sandbox.asked


async def test_a_tag_makes_an_artifact_of_a_referrer(services: Services, policies: Policies) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    signature = await sign(services, digest)
    assert await is_admitted(services, signature)
    await push(services, (await services.manifests.resolve(NAME, signature)).content, "release")
    assert not await is_admitted(services, signature)
    await services.tags.delete(NAME, parse_tag("release"))
    assert await is_admitted(services, signature)


async def test_a_blob_that_no_manifest_names_is_not_served(services: Services, policies: Policies) -> None:
    await enforce(policies)
    await push_blob(services, b"loose")
    assert not await serves(services, b"loose")
    await services.blobs.pull(NAME, Digest.of(b"loose"), EVERYONE)
    with pytest.raises(BlobUnknown):
        await services.blobs.pull(NAME, Digest.of(b"none"), PULLER)


async def test_who_may_push_reads_what_is_not_admitted_and_is_warned(services: Services, policies: Policies) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    found, warnings = await services.manifests.pull(NAME, digest, EVERYONE)
    assert found.digest == digest
    assert warnings[0].startswith("policy signed (version 1 on team): ")
    await services.blobs.pull(NAME, Digest.of(b"layer"), EVERYONE)


@pytest.mark.parametrize("mode", ["warn", "observe"])
async def test_other_modes_refuse_nothing(services: Services, policies: Policies, mode: str) -> None:
    await policies.put("team", signed_policy(mode=mode), on="pull", actor=ACTOR)
    digest = await push_image(services, b"layer")
    for _ in range(2):
        _, warnings = await services.manifests.pull(NAME, digest, PULLER)
        assert bool(warnings) == (mode == "warn")
    assert await serves(services, b"layer")
    assert (await services.admission.decision(NAME, digest)).outcome == {"warn": "warned", "observe": "observed"}[mode]


async def test_all_policies_that_cover_a_repository_apply(services: Services, policies: Policies) -> None:
    digest = await push_image(services, b"layer")
    elsewhere = await push_image(services, b"layer", name=OTHER)
    await policies.put("team/mod*", signed_policy("prefix"), on="pull", actor=ACTOR)
    await policies.put("team/model", signed_policy("own", mode="warn", key=OTHER_KEY), on="pull", actor=ACTOR)
    assert await is_admitted(services, elsewhere, OTHER)
    assert not await is_admitted(services, digest)
    await sign(services, digest)
    _, warnings = await services.manifests.pull(NAME, digest, PULLER)
    assert [line.split(" (")[0] for line in warnings] == ["policy own"]
    await policies.remove("team/mod*", "prefix", actor=ACTOR)
    await policies.remove("team/model", "own", actor=ACTOR)
    assert (await services.manifests.pull(NAME, digest, PULLER))[1] == ()


async def test_a_policy_that_is_set_counts_at_once_on_every_node(
    services: Services, other_node: Services, policies: Policies
) -> None:
    digest = await push_image(services, b"layer")
    await sign(services, digest)
    assert await is_admitted(services, digest)
    await enforce(policies)
    assert await is_admitted(services, digest)
    assert await is_admitted(other_node, digest)
    await policies.put("team", signed_policy(key=OTHER_KEY), on="pull", actor=ACTOR)
    assert not await is_admitted(services, digest)
    assert not await is_admitted(other_node, digest)
    await policies.remove("team", "signed", actor=ACTOR)
    assert await is_admitted(services, digest)


async def test_what_could_not_be_decided_is_not_pulled(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    await sign(services, digest)

    async def fail(*_: object, **__: object) -> object:
        raise Refused("keeps its reader busy")

    with monkeypatch.context() as patched:
        patched.setattr(sandbox, "run", fail)
        with pytest.raises(Unavailable):
            await services.manifests.pull(NAME, digest, PULLER)
        with pytest.raises(Unavailable):
            await services.blobs.pull(NAME, Digest.of(b"layer"), PULLER)
        await services.manifests.pull(NAME, digest, EVERYONE)
    with pytest.raises(Unavailable) as undecided:  # for a while
        await services.manifests.pull(NAME, digest, PULLER)
    assert undecided.value.retry_after == 10
    await sign(services, digest)
    assert await is_admitted(services, digest)


async def test_many_who_ask_at_once_have_it_judged_once(
    services: Services, policies: Policies, sandbox: InProcess
) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    await sign(services, digest)
    sandbox.asked.clear()
    await asyncio.gather(*(services.manifests.pull(NAME, digest, PULLER) for _ in range(20)))
    assert len(sandbox.asked) == 1
    await services.manifests.pull(NAME, digest, PULLER)
    assert len(sandbox.asked) == 1


async def test_a_verdict_holds_until_its_time(
    services: Services, policies: Policies, sandbox: InProcess, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    require = {"age": {"most": "1h", "since": "pushed"}}
    await policies.put("team", _aged(require), on="pull", actor=ACTOR)
    digest = await push_image(services, b"layer")
    assert await is_admitted(services, digest)
    until = await sql.fetchval("SELECT valid_until - now() FROM verdicts")
    assert timedelta(minutes=58) < until <= timedelta(hours=1)
    sandbox.asked.clear()
    assert await is_admitted(services, digest)
    assert not sandbox.asked
    await sql.execute("UPDATE verdicts SET valid_until = now(), own_until = now()")
    await sql.execute("UPDATE manifests SET pushed_at = now() - interval '2 hours'")
    assert not await is_admitted(services, digest)


def _aged(require: dict[str, object]) -> bytes:
    return json.dumps({"version": 1, "name": "fresh", "mode": "enforce", "require": require}).encode()


async def test_a_signature_that_goes_while_it_is_judged_admits_nothing(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    signature = await sign(services, digest)
    run = sandbox.run

    async def meanwhile(*arguments: object, **more: object) -> object:
        monkeypatch.setattr(sandbox, "run", run)
        await services.manifests.delete(NAME, signature)
        return await run(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(sandbox, "run", meanwhile)
    await is_admitted(services, digest)  # it was signed when this began
    assert not await is_admitted(services, digest)


async def test_a_policy_that_changes_while_is_judged_counts(
    services: Services, policies: Policies, sandbox: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    await sign(services, digest)
    run = sandbox.run

    async def meanwhile(*arguments: object, **more: object) -> object:
        monkeypatch.setattr(sandbox, "run", run)
        await policies.put("team", signed_policy(key=OTHER_KEY), on="pull", actor=ACTOR)
        return await run(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(sandbox, "run", meanwhile)
    await is_admitted(services, digest)
    assert not await is_admitted(services, digest)


async def test_what_is_deleted_and_pushed_again_has_no_older_verdict(services: Services, policies: Policies) -> None:
    await enforce(policies)
    content = await image_of(services, b"layer")
    digest = await push(services, content)
    signature = await sign(services, digest)
    assert await is_admitted(services, digest)
    await services.manifests.delete(NAME, digest)
    await services.manifests.delete(NAME, signature)
    await push(services, content)
    assert not await is_admitted(services, digest)


async def test_files_and_configs_are_read_by_who_may_pull(services: Services, policies: Policies) -> None:
    await enforce(policies)
    digest = await push_image(services, b"layer")
    with pytest.raises(NotAdmitted):
        await services.admission.require(NAME, digest, PULLER)
    await services.admission.require(NAME, digest, EVERYONE)
    await sign(services, digest)
    await services.admission.require(NAME, digest, PULLER)
    with pytest.raises(ManifestUnknown):
        await services.admission.require(NAME, Digest.of(b"none"), PULLER)


async def test_a_mount_takes_nothing_out_that_is_not_admitted(
    services: Services, policies: Policies, sandbox: InProcess
) -> None:
    into = RepositoryName("other/model")
    digest = await push_image(services, b"layer")
    layer = Digest.of(b"layer")
    mounts = [
        {"source": NAME, "caller": PULLER},
        {"source": None, "caller": replace(EVERYONE, name="puller")},
    ]
    await enforce(policies)
    sandbox.asked.clear()
    assert not await services.blobs.mount(into, layer, source=NAME, caller=puller(OTHER))
    assert not sandbox.asked, "nothing is judged for who may not pull there"
    for mount in mounts:
        assert not await services.blobs.mount(into, layer, **mount)  # type: ignore[arg-type]
    await sign(services, digest)
    assert await services.blobs.mount(into, layer, source=NAME, caller=PULLER)
    assert await services.blobs.mount(RepositoryName("third/x"), layer, source=None, caller=EVERYONE)  # from `into`


# Whatever happens, and on whichever node


@pytest.mark.parametrize("seed", range(3))
async def test_no_node_ever_serves_by_what_is_no_more(
    services: Services, other_services: Services, policies: Policies, sandbox: InProcess, seed: int
) -> None:
    """Sign, withdraw, set and remove at random; both nodes say what a model of it says, at once."""
    other_services.judge._sandbox = sandbox
    chosen = random.Random(seed)
    children = [await push_image(services, b"layer", note=str(number)) for number in range(2)]
    artifacts = [*children, await push(services, index(children[0]))]
    signatures: dict[Digest, list[tuple[Digest, object]]] = {one: [] for one in artifacts}
    asked: object = None

    def passes(artifact: Digest) -> bool:
        alone = asked is None or any(key is asked for _, key in signatures[artifact])
        return alone or (artifact == children[0] and passes(artifacts[2]))

    for _ in range(25):
        artifact = chosen.choice(artifacts)
        match chosen.choice(["sign", "sign", "withdraw", "policy", "none"]):
            case "sign":
                key = chosen.choice([KEY, OTHER_KEY])
                signatures[artifact].append((await sign(services, artifact, key), key))
            case "withdraw" if signatures[artifact]:
                gone, _ = signatures[artifact].pop()
                await services.manifests.delete(NAME, gone)
            case "policy":
                asked = chosen.choice([KEY, OTHER_KEY])
                await policies.put("team", signed_policy(key=asked), on="pull", actor=ACTOR)
            case "none" if asked is not None:
                asked = None
                await policies.remove("team", "signed", actor=ACTOR)
        for node in (services, other_services):
            for one in artifacts:
                assert await is_admitted(node, one) == passes(one), seed
