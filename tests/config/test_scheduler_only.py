"""The scheduler-only composition: nothing outlives the process, nothing is left on disk."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aegis_web.config import check_settings, load_settings
from aegis_web.config_values import sqlite_path
from aegis_web.errors import ConfigError
from aegis_web.throwaway import remove_abandoned, throwaway_database
from tests.support.environment import process_environment
from tests.support.servers import ROOT

HOLD = """
import sqlite3, sys
from aegis_web.throwaway import throwaway_database
path = throwaway_database().removeprefix("sqlite:///")
sqlite3.connect(path).execute("create table t (x)")
print(path, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, for this process and for those it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def hold(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a throw-away database until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, env=process_environment(folder / "data"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)


def test_keys_live_in_memory_and_the_data_folder_is_not_made(
    tmp_path: Path, temporary: Path
) -> None:
    env = {"AEGIS_COMPONENTS": "scheduler", "AEGIS_DATA_DIR": str(tmp_path / "data")}
    first, second = load_settings(env), load_settings(env)
    assert not first.persistent
    assert first.composition == "scheduler only"
    assert first.secret_key != second.secret_key
    assert first.encryption_keys != second.encryption_keys
    assert first.database_url != second.database_url
    assert sqlite_path(first.database_url).is_relative_to(temporary)
    assert not (tmp_path / "data").exists()


def test_the_database_lies_in_a_private_folder(temporary: Path) -> None:
    folder = sqlite_path(throwaway_database()).parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_folder_is_removed_at_exit(temporary: Path) -> None:
    process, path = hold(temporary)
    assert path.exists()
    end(process)
    assert list(temporary.iterdir()) == []


def test_after_a_kill_the_next_start_removes_the_folder(temporary: Path) -> None:
    process, path = hold(temporary)
    process.send_signal(signal.SIGKILL)
    end(process)
    assert path.exists()
    remove_abandoned()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_living_process_is_left_alone(temporary: Path) -> None:
    process, path = hold(temporary)
    remove_abandoned()
    assert path.exists()
    end(process)


def test_a_forked_child_does_not_remove_its_parents_folder(temporary: Path) -> None:
    program = HOLD.replace("sys.stdin", "import os; os.fork() or sys.exit(); os.wait(); sys.stdin")
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=process_environment(temporary / "data"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    path = Path(process.stdout.readline().strip())
    assert process.poll() is None
    assert path.exists()
    end(process)
    assert not path.exists()


@pytest.mark.parametrize(("name", "value"), [("WEB_CONCURRENCY", "2"), ("AEGIS_ENGINE", "off")])
def test_a_second_process_is_refused_with_the_cure(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings({"AEGIS_COMPONENTS": "scheduler", name: value})
    assert caught.value.setting == name
    assert "AEGIS_COMPONENTS=scheduler,database" in caught.value.cure


def test_an_unused_database_url_is_mentioned() -> None:
    settings = check_settings({"AEGIS_COMPONENTS": "scheduler", "DATABASE_URL": "postgres://h/d"})
    assert any("DATABASE_URL" in warning for warning in settings.warnings)
