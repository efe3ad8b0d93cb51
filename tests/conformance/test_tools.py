"""The tools of the conformance runs are found where they are built, and named with the way to get them where they aren't."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import tools
from conformance.tools import BuildFailed, ToolMissing, build, chosen, go_tool, main, path_of

GO = """\
#!/bin/sh
case "$1" in
  install) {install} ;;
  build) printf built >"$3" ;;
esac
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blacklake" / "tools"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory in which commands are looked for."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def put_go(programs: Path, install: str) -> None:
    (programs / "go").write_text(GO.format(install=install))
    (programs / "go").chmod(0o755)


def test_two_versions_of_one_tool_lie_side_by_side(cache: Path) -> None:
    for version in ("v2.6.5", "v3.1.3"):
        program = cache / f"cosign@{version}" / "cosign"
        program.parent.mkdir(parents=True)
        program.touch()
        assert path_of("cosign", version) == program
    assert path_of("cosign").parent.name == "cosign@v3.1.3"


def test_a_tool_that_is_missing_is_named_with_the_command_that_builds_it() -> None:
    with pytest.raises(ToolMissing, match=r"crane v[0-9.]+ is missing; `python -m conformance tools crane` builds it"):
        path_of("crane")


def test_a_package_of_the_system_that_is_missing_is_named_with_its_installation(programs: Path) -> None:
    with pytest.raises(ToolMissing, match="apt-get install skopeo"):
        path_of("skopeo")


def test_without_go_the_package_to_install_is_named(programs: Path) -> None:
    with pytest.raises(ToolMissing, match="apt-get install golang"):
        build(go_tool("crane"))


def test_a_tool_is_built_once_and_nothing_else_is_left(programs: Path, cache: Path) -> None:
    put_go(programs, 'printf built >"$GOBIN/crane"')
    crane = go_tool("crane")
    assert build(crane).read_text() == "built"
    put_go(programs, "exit 1")
    assert build(crane) == crane.path
    assert [entry.name for entry in cache.iterdir()] == [f"crane@{crane.version}"]


def test_a_failed_build_leaves_nothing_and_tells_what_go_said(programs: Path, cache: Path) -> None:
    put_go(programs, "echo no such module >&2; exit 1")
    with pytest.raises(BuildFailed, match="no such module"):
        build(go_tool("crane"))
    assert list(cache.iterdir()) == []


def test_a_program_that_go_calls_otherwise_gets_the_tools_name(programs: Path, cache: Path) -> None:
    put_go(programs, 'printf built >"$GOBIN/server"')
    toxiproxy = go_tool("toxiproxy")
    assert build(toxiproxy).read_text() == "built"
    assert [entry.name for entry in (cache / f"toxiproxy@{toxiproxy.version}").iterdir()] == ["toxiproxy"]


def test_where_deprecation_cannot_be_checked_a_module_requires_the_version(programs: Path) -> None:
    put_go(programs, "echo loading deprecation: 403 >&2; exit 1")
    assert build(go_tool("olareg")).read_text() == "built"


def test_a_build_that_another_process_has_ended_first_is_taken(programs: Path, cache: Path) -> None:
    crane = go_tool("crane")
    other = crane.path
    install = f'/bin/mkdir -p {other.parent}; printf first >{other}; printf second >"$GOBIN/crane"'
    put_go(programs, install)
    assert build(crane).read_text() == "first"


def test_an_npm_package_is_installed_with_nothing_of_its_scripts_run(programs: Path, cache: Path) -> None:
    (programs / "npm").write_text(
        '#!/bin/sh\n/bin/mkdir -p "$3/node_modules/.bin"; echo "$@" >"$3/node_modules/.bin/azurite-blob"\n'
    )
    (programs / "npm").chmod(0o755)
    (azurite,) = (tool for tool in tools.NPM_TOOLS if tool.name == "azurite-blob")
    said = build(azurite).read_text()
    assert "--ignore-scripts" in said
    assert said.endswith(f" azurite@{azurite.version}\n")
    assert path_of("azurite-blob") == azurite.path
    assert [entry.name for entry in cache.iterdir()] == [f"azurite-blob@{azurite.version}"]


def test_what_npm_would_install_is_named_where_npm_is_missing_and_nothing_fails(
    programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["azurite-blob"]) == 0
    assert "apt-get install npm" in capsys.readouterr().err
    with pytest.raises(ToolMissing, match="`python -m conformance tools azurite-blob` builds it"):
        path_of("azurite-blob")


def test_without_names_all_but_the_peers_are_meant() -> None:
    built, installed = chosen([])
    assert {tool.group for tool in built} == {"suite", "clients", "storage", "identities", "signing"}
    assert installed == list(tools.SYSTEM_TOOLS)


def test_a_group_and_a_name_are_chosen_by_name() -> None:
    assert [tool.name for tool in chosen(["peers"])[0]] == ["registry", "olareg"]
    assert [tool.version for tool in chosen(["cosign"])[0]] == ["v2.6.5", "v3.1.3"]


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["crone"])
    assert "crone: no such tool" in capsys.readouterr().err
