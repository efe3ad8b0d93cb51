"""A gap between the ledger and the specification doesn't pass, on whichever side it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import ledger
from conformance.ledger import Entry, LedgerInvalid, load, main, problems, summary
from conformance.spec import requirements

SPEC = """\
## Pulling

A registry MUST answer. It SHOULD be quick.
Clients MAY wait.

| ID     | Method |
| ------ | ------ |
| end-1  | `GET`  |
| end-2a | `GET`  |
"""
LEDGER = """\
[["Pulling"]]
quote = "A registry MUST answer."
binds = "registry"
ends = ["end-1", "end-2a"]
tests = ["tests/test_pull.py::test_it_answers", "suite: image/pull"]

[["Pulling"]]
quote = "It SHOULD"
binds = "registry"
tests = ["suite: image"]
note = "Quick is what nobody notices."

[["Pulling"]]
quote = "MAY wait"
binds = "client"
"""
CHECKS = {"image/pull/by-tag", "imagery"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_pull.py").write_text("async def test_it_answers(): ...\ndef helper(): ...\n")
    return tmp_path


def found(text: str, root: Path, spec: str = SPEC) -> list[str]:
    return list(problems(load(text), spec, CHECKS, root))


def test_a_complete_ledger_has_no_problems(root: Path) -> None:
    assert found(LEDGER, root) == []


def test_a_sentence_that_nobody_has_entered_is_told(root: Path) -> None:
    spec = SPEC.replace("Clients MAY wait.", "Clients MAY wait. Servers MUST NOT sleep.")
    assert found(LEDGER, root, spec) == ["0 entries for Pulling: “Servers MUST NOT sleep.”"]


def test_an_entry_whose_sentence_is_gone_is_told(root: Path) -> None:
    assert found(LEDGER, root, SPEC.replace(" It SHOULD be quick.", "")) == [
        "Pulling: “It SHOULD” is in 0 sentences of that section with a word of RFC 2119, not in one"
    ]


def test_a_sentence_of_another_section_does_not_count(root: Path) -> None:
    assert len(found(LEDGER.replace('[["Pulling"]]', '[["Pushing"]]', 1), root)) == 2


def test_a_quotation_that_fits_two_sentences_is_told(root: Path) -> None:
    spec = SPEC.replace("Clients MAY wait.", "Clients MAY wait. Others MAY wait too.")
    assert any("is in 2 sentences" in problem for problem in found(LEDGER, root, spec))


def test_a_sentence_that_is_entered_twice_is_told(root: Path) -> None:
    twice = LEDGER + '[["Pulling"]]\nquote = "Clients MAY"\nbinds = "neither"\n'
    assert found(twice, root) == ["2 entries for Pulling: “Clients MAY wait.”"]


def test_what_binds_the_registry_needs_a_test(root: Path) -> None:
    assert found(LEDGER.replace('tests = ["suite: image"]\n', ""), root) == [
        "Pulling: “It SHOULD” binds the registry and has no test"
    ]


@pytest.mark.parametrize(
    "test",
    [
        "tests/test_pull.py::test_it_answers_not",
        "tests/test_pull.py::helper",
        "tests/test_pull.py",
        "tests/test_push.py::test_it_answers",
        "test_it_answers",
        "suite: image/push",
        "suite: imag",
        "suite: ",
    ],
)
def test_a_test_that_does_not_exist_is_told(root: Path, test: str) -> None:
    changed = LEDGER.replace("tests/test_pull.py::test_it_answers", test)
    assert found(changed, root) == [f"Pulling: “A registry MUST answer.”: there is no {test}"]


def test_an_endpoint_that_does_not_exist_is_told(root: Path) -> None:
    assert "Pulling: “A registry MUST answer.”: there is no endpoint end-3" in found(
        LEDGER.replace('"end-1"', '"end-1", "end-3"'), root
    )


def test_an_endpoint_that_no_requirement_of_the_registry_names_is_told(root: Path) -> None:
    assert found(LEDGER.replace(', "end-2a"', ""), root) == ["end-2a is in no entry that binds a registry"]


def test_only_the_registry_the_client_or_neither_is_bound(root: Path) -> None:
    assert found(LEDGER.replace('"client"', '"server"'), root) == [
        "Pulling: “MAY wait” binds 'server', which is none of registry, client, neither"
    ]


def test_a_quotation_holds_the_word_that_makes_it_a_requirement(root: Path) -> None:
    assert found(LEDGER.replace('"It SHOULD"', '"be quick"'), root) == [
        "Pulling: “be quick”: the quotation leaves out the word that makes it a requirement"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[[",
        'Pulling = "all of it"',
        '["Pulling"]\nquote = "MUST"',
        '[["Pulling"]]\nquote = "MUST"',
        '[["Pulling"]]\nquote = "MUST"\nbinds = "client"\nsection = "Pushing"',
        '[["Pulling"]]\nquote = "MUST"\nbinds = "client"\ntest = "tests/test_pull.py"',
        '[["Pulling"]]\nquote = "MUST"\nbinds = "client"\ntests = "suite: image"',
        '[["Pulling"]]\nquote = ["MUST"]\nbinds = "client"',
    ],
)
def test_a_file_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(LedgerInvalid):
        load(text)


def test_every_test_that_our_ledger_names_exists() -> None:
    told = problems(load(ledger.LEDGER.read_text()), SPEC, ledger.recorded_checks())
    assert [problem for problem in told if "there is no tests/" in problem or "there is no suite" in problem] == []


def test_the_summary_counts_by_the_strongest_word() -> None:
    entries = [*load(LEDGER), Entry("Pulling", "not there", "client")]
    lines = [line.split() for line in summary(entries, requirements(SPEC))]
    assert lines[1:] == [
        ["MUST", "1", "1", "0", "0", "1", "0", "0"],
        ["SHOULD", "1", "1", "0", "1", "0", "0", "0"],
        ["MAY", "1", "0", "0", "0", "0", "1", "0"],
        ["all", "3", "2", "0", "1", "1", "1", "0"],
    ]


def test_the_command_fails_for_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.md").write_text(SPEC.replace("| end-2a | `GET`  |\n", ""))
    (tmp_path / "ledger.toml").write_text(LEDGER.replace('["end-1", "end-2a"]', '["end-1"]'))
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.toml")
    monkeypatch.setattr(ledger, "recorded_checks", lambda: CHECKS)
    assert main(["--spec", str(tmp_path / "spec.md")]) == 1
    assert "there is no tests/test_pull.py::test_it_answers\n" in (output := capsys.readouterr().out)
    assert output.endswith("3 entries, 1 problems\n")
    (tmp_path / "ledger.toml").write_text(
        LEDGER.replace('["end-1", "end-2a"]', '["end-1"]').replace('"tests/test_pull.py::test_it_answers", ', "")
    )
    assert main(["--spec", str(tmp_path / "spec.md")]) == 0


def test_the_command_tells_what_is_not_followed_to_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.md").write_text(SPEC)
    (tmp_path / "ledger.toml").write_text(LEDGER.replace("note =", "deviates ="))
    monkeypatch.setattr(ledger, "LEDGER", tmp_path / "ledger.toml")
    main(["--spec", str(tmp_path / "spec.md")])
    assert "not to the letter: Pulling: “It SHOULD”: Quick is what nobody notices.\n" in capsys.readouterr().out


def test_the_command_names_what_it_cannot_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(tmp_path / "nowhere.md")]) == 1
    assert "nowhere.md" in capsys.readouterr().err
