"""Pins requirements.in and requirements-dev.in with hashes, for every Python from 3.11 to 3.14."""

import subprocess
import sys
from pathlib import Path

UV = Path(sys.executable).with_name("uv")


def main() -> int:
    for name in ("requirements", "requirements-dev"):
        command = [
            str(UV), "pip", "compile", f"{name}.in", "--output-file", f"{name}.txt",
            "--universal", "--python-version", "3.11", "--generate-hashes",
            "--no-header", "--no-annotate", "--quiet",
        ]  # fmt: skip
        if status := subprocess.call(command):
            return status
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
