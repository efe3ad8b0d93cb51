"""The Helm chart and the manifests rendered from it: they fit the API, and promise what operators rely on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from conformance.tools import path_of
from tests.deploy.charts import CHART, VALUES, Object, check, named, rendered, run
from tests.docs.commands import ROOT
from tests.tools import needed

PLAIN, FULL, CANARY = (CHART / "ci" / f"{name}-values.yaml" for name in ("plain", "full", "canary"))
MANIFESTS = ROOT / "deploy" / "kubernetes"
every_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def pods(objects: list[Object]) -> list[Object]:
    return [one["spec"]["template"] for one in objects if one["kind"] in ("Deployment", "Job")]


def nodes(objects: list[Object]) -> list[Object]:
    return [pod for pod in pods(objects) if "blacklake/colour" in pod["metadata"]["labels"]]


@every_values
def test_helm_finds_nothing_to_complain_about(values: Path) -> None:
    done = run("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout


@every_values
def test_every_object_fits_the_api(values: Path) -> None:
    for found in rendered(values):
        if found["kind"] != "ServiceMonitor":  # a CustomResourceDefinition of the Prometheus operator
            check(found)


def test_the_check_sees_a_field_that_is_not_there() -> None:
    deployment = named(rendered(PLAIN), "Deployment", "blacklake-blue")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        check(deployment)


@every_values
def test_pods_may_do_nothing_and_can_write_nowhere(values: Path) -> None:
    for pod in pods(rendered(values)):
        spec = pod["spec"]
        assert (spec["securityContext"]["runAsNonRoot"], spec["automountServiceAccountToken"]) == (True, False)
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


@every_values
def test_no_variable_of_a_service_is_taken_for_a_setting(values: Path) -> None:
    assert {pod["spec"]["enableServiceLinks"] for pod in pods(rendered(values))} == {False}


@every_values
def test_selectors_find_the_nodes_and_nothing_else(values: Path) -> None:
    objects = rendered(values)
    found = nodes(objects)
    others = [pod for pod in pods(objects) if pod not in found]
    assert found
    assert others
    selectors = [
        named(objects, "Service")["spec"]["selector"],
        named(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        named(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert all(selector.items() <= pod["metadata"]["labels"].items() for pod in found)
        assert not any(selector.items() <= pod["metadata"]["labels"].items() for pod in others)


def test_nodes_never_migrate_and_a_job_does_so_before_an_upgrade() -> None:
    objects = rendered(PLAIN)
    assert named(objects, "ConfigMap")["data"]["BLACKLAKE_MIGRATE"] == "never"
    job = named(objects, "Job", "blacklake-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][:2] == ["migrate", "up"]


def test_a_pod_has_time_to_leave() -> None:
    objects = rendered(PLAIN)
    spec = named(objects, "Deployment", "blacklake-blue")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    _, before = container["lifecycle"]["preStop"]["exec"]["command"]
    drain = named(objects, "ConfigMap")["data"]["BLACKLAKE_DRAIN_TIMEOUT"]
    # The node itself takes up to five seconds more than the drain.
    assert spec["terminationGracePeriodSeconds"] >= int(before) + int(drain) + 5


def test_a_node_without_database_is_not_ready_but_is_not_restarted() -> None:
    (container,) = named(rendered(PLAIN), "Deployment", "blacklake-blue")["spec"]["template"]["spec"]["containers"]
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe", "startupProbe")
    }
    assert paths == {"livenessProbe": "/health", "readinessProbe": "/ready", "startupProbe": "/health"}


def test_the_number_of_nodes_follows_cpu_and_bytes() -> None:
    metrics = named(rendered(FULL), "HorizontalPodAutoscaler", "blacklake-blue")["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Resource", "Pods"]
    assert metrics[1]["pods"]["metric"]["name"] == "blacklake_in_flight_bytes"
    assert "replicas" not in named(rendered(FULL), "Deployment", "blacklake-blue")["spec"]


def test_a_canary_stands_beside_with_an_image_of_its_own_and_the_migration_is_the_newer_one_s() -> None:
    objects = rendered(CANARY)
    shares = {}
    for colour in ("blue", "green"):
        deployment = named(objects, "Deployment", f"blacklake-{colour}")["spec"]
        shares[deployment["template"]["spec"]["containers"][0]["image"]] = deployment["replicas"]
    assert shares == {"blacklake:0.1.0": 9, "blacklake:0.2.0": 1}
    (migration,) = named(objects, "Job", "blacklake-migrate")["spec"]["template"]["spec"]["containers"]
    assert migration["image"] == "blacklake:0.2.0"


def test_a_colour_that_is_not_live_gets_no_requests() -> None:
    objects = rendered(CANARY, "--set", "colours.green.live=false")
    selector = named(objects, "Service")["spec"]["selector"]
    live = {
        colour: selector.items()
        <= named(objects, "Deployment", f"blacklake-{colour}")["spec"]["template"]["metadata"]["labels"].items()
        for colour in ("blue", "green")
    }
    assert live == {"blue": True, "green": False}


def test_prometheus_finds_the_port_that_has_metrics_and_no_client_does() -> None:
    objects = rendered(FULL)
    monitor, service = named(objects, "ServiceMonitor"), named(objects, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [end["port"] for end in monitor["spec"]["endpoints"]] == ["admin"]
    (target,) = [port["targetPort"] for port in service["spec"]["ports"] if port["name"] == "admin"]
    (container,) = named(objects, "Deployment", "blacklake-blue")["spec"]["template"]["spec"]["containers"]
    (number,) = [port["containerPort"] for port in container["ports"] if port["name"] == target]
    assert named(objects, "ConfigMap")["data"]["BLACKLAKE_ADMIN_LISTEN"] == f"0.0.0.0:{number}"
    clients, monitoring = named(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in (clients, monitoring)] == ["http", "admin"]


@pytest.mark.parametrize(
    ("missing", "named_in_refusal"),
    [
        ("networkPolicy.from=null", "networkPolicy.from"),
        ("externalUrl=", "externalUrl"),
        ("storage.url=", "storage.url"),
        ("database.secretName=", "database.secretName"),
        ("auth.secretName=", "auth.secretName"),
    ],
)
def test_it_is_not_installed_without_what_only_the_operator_knows(missing: str, named_in_refusal: str) -> None:
    done = run("template", "blacklake", CHART, "--kube-version", "1.31.0", "--values", PLAIN, "--set", missing)
    assert (done.returncode, named_in_refusal in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("redis://:a/b@redis/0", 1),
        ("redis://redis/0?password=p", 1),
        ("redis://redis:6379/0", 0),
        ("redis://u@redis", 0),
    ],
)
def test_no_password_gets_into_a_config_map(url: str, code: int) -> None:
    given = ("--values", PLAIN, "--set", f"settings.redis_url={url}")
    done = run("template", "blacklake", CHART, "--kube-version", "1.31.0", *given)
    assert (done.returncode, "settings.redis_url: " in done.stderr) == (code, bool(code))


@every_values
def test_nodes_ask_who_it_is_and_share_the_secrets_for_that(values: Path) -> None:
    objects = rendered(values)
    data = named(objects, "ConfigMap")["data"]
    assert data["BLACKLAKE_AUTH"] == "token"
    assert not data.keys() & {"BLACKLAKE_INSECURE_OPEN"}
    for pod in (node["spec"] for node in nodes(objects)):
        (volume,) = (one for one in pod["volumes"] if one["name"] == "auth")
        (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "auth")
        files = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
        assert files == {data["BLACKLAKE_SECRET_KEY_FILE"], data["BLACKLAKE_ADMIN_PASSWORD_FILE"]}


def test_the_plain_manifests_are_what_the_chart_makes(tmp_path: Path) -> None:
    made = tmp_path / "blacklake.yaml"
    subprocess.run([MANIFESTS / "render", made], env=os.environ | {"HELM": str(needed(path_of, "helm"))}, check=True)
    assert made.read_text() == (MANIFESTS / "blacklake.yaml").read_text(), "run deploy/kubernetes/render"
    for found in yaml.safe_load_all(made.read_text()):
        check(found)
