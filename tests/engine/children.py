"""What the processes of the engine's tests are made from; light, because each test starts some."""

from contextlib import nullcontext

from aegis_web.engine.runner import Runner
from aegis_web.registry import Registry
from aegis_web.vault import Vault
from tests.engine import functions, hostile

VAULT = Vault(["k" * 40])


def known_functions() -> Registry:
    """A registry of the functions for tests."""
    registry = Registry()
    for module in (functions, hostile):
        registry.read_module(module)
    assert not registry.refused
    return registry


def runner(_: object) -> Runner:
    """What executes them in a process."""
    return Runner(known_functions(), VAULT, nullcontext)
