"""The settings of a test: nothing from the developer's own environment reaches it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aegis_web.config import PLATFORMS, Settings, load_settings, setting_names

SECRET_KEY = "k7Qm-Zt4Wb9_xLr2Nc8Vd5Hf3Gj6Ys1Pa0Eu"
ENCRYPTION_KEY = "Wm5kF3tQ8rLx2VbN7cJh4Gs9Ty6Up1Za0Ed-Ko_iHvM="
MakeSettings = Callable[..., Settings]


@pytest.fixture(autouse=True, scope="session")
def clean_environment() -> Iterator[None]:
    """Forget what the developer exported for a server of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*setting_names(), *PLATFORMS):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where this test's product keeps everything; not there yet."""
    return tmp_path / "data"


@pytest.fixture
def make_settings(data_dir: Path) -> MakeSettings:
    """Settings as from the environment, with given keys and this test's own data folder."""

    def make(**env: str) -> Settings:
        return load_settings(settings_environment(data_dir, **env))

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """The settings of the persistent composition on a SQLite file."""
    return make_settings()


def settings_environment(data_dir: Path, **env: str) -> dict[str, str]:
    """The environment variables that tests set for the product, in-process and as a server."""
    return {
        "AEGIS_DATA_DIR": str(data_dir),
        "SECRET_KEY": SECRET_KEY,
        "AEGIS_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        **env,
    }


def process_environment(data_dir: Path, **env: str) -> dict[str, str]:
    """The whole environment of a process that a test starts."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("AEGIS_", "PYTEST_", "GUNICORN_", "FLASK_"))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings_environment(data_dir, **env)}
