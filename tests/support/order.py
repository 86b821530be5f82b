"""The order of the tests: modules that wait for servers and browsers stand evenly among the others.

While one of them waits, the other test processes have the processors; and none is left for the end.
"""

import re
from itertools import groupby

import pytest

SLOW = re.compile(r"/(browser|deploy|faults)/|_in_a_browser\.py|_kills\.py|_processes\.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules in order; the tests of one stay together, as they share what they start."""
    kinds: dict[bool, list[list[pytest.Item]]] = {False: [], True: []}
    for path, tests in groupby(items, lambda item: item.path):
        kinds[bool(SLOW.search(path.as_posix()))].append(list(tests))
    places = [
        (number / len(modules), slow, tests)
        for slow, modules in kinds.items()
        for number, tests in enumerate(modules)
    ]
    places.sort(key=lambda place: place[:2])
    items[:] = [test for *_, tests in places for test in tests]
