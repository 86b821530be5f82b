"""A skipped essential test fails CI, and only CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

FILE = """
import pytest

@pytest.mark.essential
@pytest.mark.skip(reason="there is no such thing here")
def test_that_matters(): ...

@pytest.mark.skip(reason="not today")
def test_other(): ...
"""


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")])
def test_a_skipped_essential_test_fails_ci(
    tmp_path: Path, ci: str, status: int, workers: tuple[str, ...]
) -> None:
    (tmp_path / "test_it.py").write_text(FILE)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
        "-p", "tests.support.essential", *workers, str(tmp_path),
    ]  # fmt: skip
    env = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout
    assert "essential tests were skipped" in done.stdout
    assert "test_it.py::test_that_matters" in done.stdout
    assert "test_other" not in done.stdout.split("essential tests were skipped")[1]
