"""Flask-Security without the library of passkeys, which it loads wherever that is installed.

Its own pages of passkeys stay off, and the library would take memory in every process. To be
imported before anything else imports Flask-Security; `authenticators` loads it on first use.
"""

import sys

LIBRARY = "webauthn"

if LIBRARY not in sys.modules:
    sys.modules[LIBRARY] = None  # type: ignore[assignment]  # so that an import of it fails
    import flask_security as flask_security

    del sys.modules[LIBRARY]
