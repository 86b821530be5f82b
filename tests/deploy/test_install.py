"""What `make run` says on a machine that lacks something, and what a second one does not do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import ROOT


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is the whole PATH, with no Python at all."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "cksum", "basename", "mkdir"):
        (programs / name).symlink_to(shutil.which(name) or "/nowhere")
    return programs


def install(machine: Path, venv: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "scripts/venv.sh"), str(venv), str(ROOT / "requirements.txt")],
        env={"PATH": str(machine), **env}, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_without_python_it_says_which_one_is_needed(machine: Path, tmp_path: Path) -> None:
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr


def test_an_older_python_is_refused_by_name(machine: Path, tmp_path: Path) -> None:
    program(machine / "python3.9", "exit 1")
    done = install(machine, tmp_path / "venv", PYTHON="python3.9")
    assert done.returncode == 1
    assert "PYTHON=python3.9 is not Python 3.11 or later" in done.stderr


def test_without_the_venv_module_one_line_names_the_package(machine: Path, tmp_path: Path) -> None:
    program(
        machine / "python3",
        'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac',
    )
    done = install(machine, tmp_path / "venv")
    assert done.returncode == 1
    assert done.stderr == "Python's venv module is missing: apt install python3.11-venv\n"
    assert not (tmp_path / "venv").exists()


def test_what_is_installed_is_not_installed_again(machine: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    (tmp_path / "venv/bin").mkdir(parents=True)
    program(tmp_path / "venv/bin/python", f'case "$1" in -m) echo "$@" >> {calls};; esac')
    first = install(machine, tmp_path / "venv")
    assert "Installing" in first.stdout
    second = install(machine, tmp_path / "venv")
    assert (second.stdout, second.stderr) == ("", "")
    assert len(calls.read_text().splitlines()) == 1
    assert "--require-hashes" in calls.read_text()


def test_a_failed_installation_is_tried_again(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    program(tmp_path / "venv/bin/python", 'case "$1" in -m) exit 1;; esac')
    for _ in range(2):
        done = install(machine, tmp_path / "venv")
        assert done.returncode == 1
        assert "Installing" in done.stdout


def test_ci_runs_exactly_make_test() -> None:
    path = ROOT / ".ci/run"
    lines = path.read_text().splitlines()
    assert os.access(path, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1:] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
