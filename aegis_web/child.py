"""Assembly for the processes in which plain service functions run: the core, without pages."""

from collections.abc import Mapping

from aegis_web import create_core
from aegis_web.config import check_settings
from aegis_web.engine.runner import Runner
from aegis_web.system.log import log_to_stderr


def runner(environment: Mapping[str, str]) -> Runner:
    """The Runner of a process whose node was started with these settings.

    No connection to the database is made here: the processes that are forked later may not share
    one.
    """
    log_to_stderr()
    app = create_core(check_settings(environment), migrating=False)
    return Runner(app.extensions["aegis.registry"], app.extensions["aegis.vault"], app.app_context)
