"""What commands ask for has one name everywhere, and shells complete it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from tests.conftest import Command
from typer.models import OptionInfo

from padscope.cli.commands import app
from padscope.figures.listed import FIGURES

# What means something else by command, and why that is.
OWN_TYPES = {"--fill": "retrofit writes networks, and takes what convolutions can pad with"}
OWN_WORDS = OWN_TYPES | {
    "--out": "a run, a comparison or figures",
    "--limit": "of images scanned, explained, tested or looked at",
    "--images": "a stage of a run takes those of the run by default",
    "--weights": "a stage of a run takes those of the run by default",
}


def parameters() -> Iterator[tuple[str, str, object, Any]]:
    """Command, name, type and description of all that commands take."""
    for command in app.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            if get_origin(hint) is Annotated:
                kind, info = get_args(hint)
                yield str(command.name), name, {*(get_args(kind) or [kind])} - {NoneType}, info


def options() -> Iterator[tuple[list[str], object, Any]]:
    """Flags, type and description of all options."""
    for _, name, kind, info in parameters():
        if isinstance(info, OptionInfo):
            # Under Annotated, typer takes the first flag for a default.
            given = [str(flag) for flag in (info.default, *(info.param_decls or ())) if flag != ...]
            yield given or [f"--{name.replace('_', '-')}"], kind, info


def test_one_thing_has_one_name_and_one_explanation() -> None:
    """Options of one name have the same type, flags and help in every command."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    words: dict[str, set[str]] = {}
    for flags, kind, info in options():
        seen.setdefault(flags[0], set()).add((str(kind), *flags))
        words.setdefault(flags[0], set()).add(info.help)
    assert len(seen) > 30
    assert {name for name, each in seen.items() if len(each) > 1} == {*OWN_TYPES}
    assert {name for name, each in words.items() if len(each) > 1} == {*OWN_WORDS}


def test_every_parameter_is_explained_and_every_option_is_spelt_alike() -> None:
    assert all(info.help for *_, info in parameters())
    for flags, _, _ in options():
        assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", flags[0]), flags
        assert all(re.fullmatch(r"-[a-z]", short) for short in flags[1:]), flags


def test_what_prints_a_result_gives_json() -> None:
    commands = {str(command.name) for command in app.registered_commands}
    assert commands - {command for command, name, *_ in parameters() if name == "json"} == {
        "figure"  # which writes files alone
    }


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("scn", "lite0"), "scan"),
        (("scan", "lite0", "--batchsize", "3"), "--batch-size"),
        (("scan", "lite1"), "lite0"),
        (("scan", "resnet18"), "torchvision:resnet18"),
        (("scan", "mynets:tiny", "--runner", "torchrn"), "torchrun"),
        (("scan", "mynets:tiny", "--device", "cdua"), "cuda"),
        (("columns", "filtrs"), "filters"),
    ],
)
def test_what_is_misspelt_is_told_what_may_be_meant(
    padscope: Command, workdir: Path, arguments: tuple[str, ...], meant: str
) -> None:
    answer = padscope(*arguments)
    assert answer.status == 2
    assert re.search(rf"did you mean '?{meant}|Possible options?: {meant}", answer.err, re.I)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`padscope`, as it lies on the path of a shell."""
    file = tmp_path / "padscope"
    lines = f"#!{sys.executable}", f"import sys; sys.path[:] = {sys.path!r}"
    file.write_text("\n".join([*lines, "from padscope.cli import main", "main()", ""]))
    file.chmod(0o755)
    return file


def in_shell(shell: str, program: Path, script: str) -> list[str]:
    done = subprocess.run(
        [shell, "-c", script], capture_output=True, text=True, check=True,
        env={"PATH": f"{program.parent}:/usr/bin:/bin"},
    )  # fmt: skip
    return done.stdout.split()


def test_bash_completes(program: Path) -> None:
    found = in_shell("bash", program, """
        eval "$(_PADSCOPE_COMPLETE=source_bash padscope)"
        complete() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _padscope_completion padscope
                     echo "${COMPREPLY[@]}" ";"; }
        complete padscope ver
        complete padscope scan mynets:tiny --batch
        complete padscope figure run ""
    """)  # fmt: skip
    assert found == ["verdict", ";", "--batch-size", ";", *FIGURES, "all", ";"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(program: Path) -> None:
    """With stand-ins for what zsh's own completion, which needs a terminal, would be given."""
    found = in_shell("zsh", program, """
        compdef() { }
        _arguments() { print -r -- "$@" }
        _describe() { print -r -- "$@" }
        eval "$(_PADSCOPE_COMPLETE=source_zsh padscope)"
        words=(padscope ver); CURRENT=2; _padscope_completion
        words=(padscope scan mynets:tiny --batch); CURRENT=4; _padscope_completion
    """)  # fmt: skip
    assert any("verdict" in word for word in found)
    assert any("--batch-size" in word for word in found)
    assert not any("explain" in word for word in found[:3])
