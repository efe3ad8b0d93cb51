"""ClamAV in the deployments: only where it is wanted, where only nodes reach it, and with a configuration that clamd takes."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import jsonschema
import yaml

from conformance.ports import free_port
from conformance.tools import system_tool
from registry.clamd_address import parse_clamd
from registry.processes import tethered
from registry.scanners.base import ScannerDown
from registry.scanners.clamd import Clamd
from tests.deploy.charts import CHART, named, rendered
from tests.deploy.modules import schema
from tests.docs.commands import ROOT
from tests.lifecycle.serving import eventually
from tests.tools import needed

CONFIGURATION = CHART / "files" / "clamav"
COMPOSE = ROOT / "deploy" / "compose"


def of_configuration(option: str) -> str:
    (value,) = re.findall(rf"^{option} (.*)$", (CONFIGURATION / "clamd.conf").read_text(), re.MULTILINE)
    return str(value)


def test_the_chart_has_none_unless_it_is_wanted() -> None:
    plain = rendered(CHART / "ci" / "plain-values.yaml")
    assert [one for one in plain if "clamav" in one["metadata"]["name"]] == []
    assert "BLACKLAKE_CLAMD" not in named(plain, "ConfigMap")["data"]


def test_the_chart_s_nodes_reach_it_and_nobody_else_does() -> None:
    objects = rendered(CHART / "ci" / "full-values.yaml")
    address = parse_clamd(named(objects, "ConfigMap")["data"]["BLACKLAKE_CLAMD"])
    service = named(objects, "Service", str(address.host))["spec"]
    pod = named(objects, "Deployment", "blacklake-clamav")["spec"]["template"]
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    (port,) = service["ports"]
    listening = {one["name"]: one["containerPort"] for one in pod["spec"]["containers"][0]["ports"]}
    assert (port["port"], listening[port["targetPort"]]) == (address.port, int(of_configuration("TCPSocket")))
    policy = named(objects, "NetworkPolicy", "blacklake-clamav")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ((peer,),) = (rule["from"] for rule in policy["ingress"])
    node = named(objects, "Deployment", "blacklake-blue")["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= node.items()
    monitored = named(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    found = [
        one for one in objects if one["kind"] == "Service" and monitored.items() <= one["metadata"]["labels"].items()
    ]
    assert found == [named(objects, "Service")]


def test_compose_s_nodes_reach_it_and_it_has_no_way_out() -> None:
    base, more = (yaml.safe_load((COMPOSE / f"{name}.yaml").read_text()) for name in ("compose", "clamav"))
    specification = schema("github.com/compose-spec/compose-go/v2", "v2.9.0", "schema/compose-spec.json")
    jsonschema.Draft7Validator(specification).validate(more)
    clamd, freshclam = more["services"]["clamd"], more["services"]["freshclam"]
    for name in ("node-1", "node-2"):
        address = parse_clamd(more["services"][name]["environment"]["BLACKLAKE_CLAMD"])
        assert (address.host, address.port) == ("clamd", int(of_configuration("TCPSocket")))
        assert "BLACKLAKE_CLAMD" not in base["services"][name]["environment"]
        assert set(clamd["networks"]) <= set(base["services"][name]["networks"])
    assert [base["networks"][name]["internal"] for name in clamd["networks"]] == [True]
    assert freshclam["networks"] == ["updates"]
    for service in (clamd, freshclam):
        assert "ports" not in service
        places = dict(volume.split(":")[:2] for volume in service["volumes"])
        ((outer, mounted),) = ((outer, inner) for outer, inner in places.items() if outer.startswith("."))
        assert (COMPOSE / outer).resolve() == CONFIGURATION
        *_, config = service["entrypoint"]
        assert config.removeprefix("--config-file=").rpartition("/")[0] == mounted
        assert {name for name in places if name.isalpha()} <= set(more["volumes"])
        assert of_configuration("DatabaseDirectory") in places.values()


def test_clamd_takes_the_configuration(tmp_path: Path) -> None:
    program = needed(system_tool, "clamd", "clamav-daemon")
    port = free_port()
    (tmp_path / "own.ndb").write_text("Test:0:*:626c61636b6c616b65\n")
    text = (CONFIGURATION / "clamd.conf").read_text()
    for before, after in {"TCPSocket 3310": f"TCPSocket {port}", "/var/lib/clamav": str(tmp_path)}.items():
        assert before in text
        text = text.replace(before, after)
    config = tmp_path / "clamd.conf"
    config.write_text(f"TCPAddr 127.0.0.1\n{text}")
    command = tethered([program, "--config-file", config], farewell=signal.SIGKILL)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return asyncio.run(Clamd(f"tcp://127.0.0.1:{port}").version()).startswith("ClamAV ")
        except ScannerDown:
            return False

    try:
        eventually(answers, "clamd answers")
    finally:
        process.kill()
        process.wait()


def test_freshclam_takes_the_configuration() -> None:
    program = needed(system_tool, "clamconf", "clamav-daemon")
    done = subprocess.run([program, "--config-dir", CONFIGURATION], capture_output=True, text=True, check=False)
    assert "ERROR" not in done.stdout + done.stderr
    assert 'DatabaseMirror = "database.clamav.net"' in done.stdout
