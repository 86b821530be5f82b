"""A key that others know signs nothing: CVE-2020-17526 (Airflow), CVE-2023-27524 (Superset).

And a changed one is the one that signs: CVE-2025-47278 (Flask signed with the oldest).
"""

import pytest
from flask import Flask
from itsdangerous import BadSignature, URLSafeTimedSerializer

from aegis_web.errors import ConfigError
from aegis_web.keys import PUBLISHED
from tests.support.applications import MakeApp
from tests.support.environment import SECRET_KEY, MakeSettings

NEW_KEY = "b9Xw-Rt2Kq7_vLm4Zc6Nd1Hf8Gj3Ys5Pa0Tu"
KNOWN = (  # what tutorials, images and other products shipped with
    "temporary_key_temporary_key_temporary_key", "cccccccccccccccccccccccccccccccccccccccc",
    "thisISaSECRET_1234thisISaSECRET_1234", "\2\1thisismyscretkey\1\2\\e\\y\\y\\h-------",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET", "TEST_NON_DEV_SECRET_this-is-not-for-use",
    "YOUR_OWN_RANDOM_GENERATED_SECRET_KEY", "your-secret-key-goes-here-0123456789",
    "django-insecure-8k3$x!2q@z7w&v5b^n9m*c1", "dev-secret-key-change-in-production!!",
    "super-secret-key-for-development-use", "0123456789abcdef0123456789abcdef", *sorted(PUBLISHED),
)  # fmt: skip


@pytest.mark.parametrize("setting", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
@pytest.mark.parametrize("key", [key for key in KNOWN if "," not in key])
def test_a_key_that_others_know_stops_the_start(
    make_settings: MakeSettings, setting: str, key: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings(**{setting: key})
    assert key not in str(refused.value)


def test_whoever_knows_the_key_forges_what_it_signs() -> None:
    weak = Flask("weak")
    weak.secret_key = KNOWN[0]
    cookie = weak.session_interface.get_signing_serializer(weak)  # type: ignore[attr-defined]
    stolen = Flask("stranger")
    stolen.secret_key = KNOWN[0]
    theirs = stolen.session_interface.get_signing_serializer(stolen)  # type: ignore[attr-defined]
    assert cookie.loads(theirs.dumps({"_user_id": "admin"})) == {"_user_id": "admin"}


def test_after_a_change_the_new_key_signs_and_the_old_one_is_read(
    make_app: MakeApp, sqlite_database: str
) -> None:
    def signer(**env: str) -> URLSafeTimedSerializer:
        app = make_app(DATABASE_URL=sqlite_database, **env)
        found = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        assert isinstance(found, URLSafeTimedSerializer)
        return found

    old, new = signer(), signer(SECRET_KEY=NEW_KEY)
    both = signer(SECRET_KEY=NEW_KEY, SECRET_KEY_FALLBACKS=SECRET_KEY)
    assert both.loads(old.dumps({"a": 1})) == {"a": 1}
    assert new.loads(both.dumps({"a": 1})) == {"a": 1}
    for reader, writer in ((old, both), (new, old)):
        with pytest.raises(BadSignature):
            reader.loads(writer.dumps({"a": 1}))
