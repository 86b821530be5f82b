"""Which functions the registry finds, under which names, and what it refuses."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from aegis_web.errors import Invalid
from aegis_web.registry import Registry, discover
from aegis_web.vault import Vault
from tests.registry.conftest import WriteModule

VAULT = Vault(["a key of the tests, long enough to be one"])


def refused_problem(registry: Registry, name: str) -> str:
    return next(refused.problem for refused in registry.refused if refused.name == name)


def test_it_finds_public_functions_and_marked_ones(write_module: WriteModule) -> None:
    write_module(
        "invoices",
        """
        from os.path import join
        from aegis_web.registry import service

        def send(day: str) -> None: ...
        async def fetch() -> None: ...
        def _inner(): ...
        def declare(scheduler): ...

        @service(name="invoices.renamed", aliases=("invoices.old",))
        def _marked(count: int) -> None: ...
        """,
    )
    registry = discover(["invoices"])
    assert list(registry.functions) == ["invoices.send", "invoices.fetch", "invoices.renamed"]
    assert registry.refused == []
    assert registry.find("invoices.old") is registry.functions["invoices.renamed"]
    assert registry.find("invoices.join") is None


def test_an_imported_function_is_never_offered_even_a_marked_one(write_module: WriteModule) -> None:
    write_module("shop_a", "from aegis_web.registry import service\n@service\ndef sell(): ...")
    write_module("shop_b", "from shop_a import sell\ndef buy(): ...")
    assert list(discover(["shop_b"]).functions) == ["shop_b.buy"]


def test_a_function_named_like_its_module_has_the_name_once(write_module: WriteModule) -> None:
    write_module("tidy", "def tidy(): ...")
    assert list(discover(["tidy"]).functions) == ["tidy"]


def test_a_function_of_two_names_is_found_once(write_module: WriteModule) -> None:
    write_module("twice", "def new(): ...\nold = new")
    assert list(discover(["twice"]).functions) == ["twice.new"]


def test_a_package_gives_every_public_module_in_it(write_module: WriteModule) -> None:
    write_module("team.__init__", "")
    write_module("team.b", "def two(): ...")
    write_module("team.a", "def one(): ...")
    write_module("team._hidden", "raise RuntimeError('never imported')")
    write_module("team.deep.__init__", "")
    write_module("team.deep.c", "def three(): ...")
    registry = discover(["team"])
    assert list(registry.functions) == ["a.one", "b.two", "c.three"]
    assert registry.refused == []


def test_both_sync_and_async_bodies_really_run(write_module: WriteModule) -> None:
    write_module(
        "bodies",
        """
        from datetime import date
        seen = []
        def plain(day: date) -> str:
            seen.append(("plain", day))
            return "plain ran"
        async def fluid(day: date) -> str:
            seen.append(("fluid", day))
            return "fluid ran"
        """,
    )
    registry = discover(["bodies"])
    plain, fluid = registry.functions["bodies.plain"], registry.functions["bodies.fluid"]
    stored = plain.seal(plain.check({"day": "2026-05-31"}), VAULT)

    assert plain.function(**plain.open(stored, VAULT).kwargs) == "plain ran"
    with ThreadPoolExecutor(1) as thread:  # this one may hold the loop of a browser
        ran = thread.submit(lambda: asyncio.run(fluid.function(**fluid.open(stored, VAULT).kwargs)))
        assert ran.result() == "fluid ran"

    assert [what for what, _ in sys.modules["bodies"].seen] == ["plain", "fluid"]
    assert {day.isoformat() for _, day in sys.modules["bodies"].seen} == {"2026-05-31"}
    assert (plain.is_async, plain.runs_in) == (False, "process")
    assert (fluid.is_async, fluid.runs_in) == (True, "loop")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def f(*rows): ...", "it takes *rows"),
        ("def f(**more): ...", "it takes **more"),
        ("def f(a: int, /): ...", "a can be given by position only"),
        ("def f(a): ...", "a has no annotation"),
        ("def f(a=1): ...", "a has no annotation"),
        ("def f(a: dict[str, int]): ...", "a has the type dict[str, int], which no form can offer"),
        ("def f(a: object): ...", "a has the type object, which no form can offer"),
        ("def f(a: int | str): ...", "a may be of several types"),
        ("def f(a: list): ...", "a is a list of unknown items"),
        ("def f(a: list[list[int]]): ...", "a is a list of items that no form can offer"),
        ("def f(a: 'Missing'): ...", "its annotations cannot be read"),
        ("def f():\n    yield 1", "it is a generator"),
        ("async def f():\n    yield 1", "it is a generator"),
        ("def f(a: int = 'x'): ...", "the default of a is not a whole number: got 'x'"),
        (
            "from typing import Annotated\nfrom pydantic import Field\n"
            "def f(a: Annotated[str, Field(pattern='[')]): ...",
            "pydantic cannot use its signature",
        ),
        (
            "from pydantic import Field\ndef f(a: int = Field(ge=1)): ...",
            "a has a pydantic Field as its default",
        ),
        (
            "from typing import Annotated\nfrom pydantic import Field\n"
            "def f(a: Annotated[int, Field(default=3)]): ...",
            "a has its default inside Field(...)",
        ),
        (
            "from pydantic import BaseModel\nclass A(BaseModel):\n    a: dict\n"
            "def f(group: A): ...",
            "group.a has the type dict",
        ),
        (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass A:\n    a: A | None = None\ndef f(group: A): ...",
            "group.a contains itself (A)",
        ),
    ],
)
def test_it_refuses_what_no_form_can_offer(
    source: str, problem: str, write_module: WriteModule
) -> None:
    path = write_module("odd", f"{source}\n\ndef fine(): ...\n")
    registry = discover(["odd"])
    assert list(registry.functions) == ["odd.fine"]
    [refused] = registry.refused
    assert refused.problem.startswith(problem)
    assert (refused.name, refused.file) == ("odd.f", str(path))
    assert "def f" in path.read_text().splitlines()[refused.line - 1]
    assert refused.cure
    assert str(path) in str(refused)


def test_a_lambda_and_a_partial_are_refused(write_module: WriteModule) -> None:
    write_module(
        "odder",
        """
        from functools import partial
        from aegis_web.registry import service
        short = lambda: 1
        half = service(partial(print, "x"))
        """,
    )
    registry = discover(["odder"])
    assert registry.functions == {}
    assert [refused.problem for refused in registry.refused] == [
        "it is a lambda",
        "it is not a plain function",
    ]


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("x = 1\n1 / 0", 2, "raises ZeroDivisionError: division by zero"),
        ("x = 1\ndef f(:", 2, "raises SyntaxError: invalid syntax"),
        ("import not_installed_anywhere", 1, "raises ModuleNotFoundError"),
        ("import sys\n\nsys.exit(3)", 3, "ends the program"),
    ],
)
def test_a_module_that_raises_at_import_is_refused_and_the_others_work(
    source: str, line: int, problem: str, write_module: WriteModule
) -> None:
    path = write_module("group.broken", source)
    write_module("group.__init__", "")
    write_module("group.whole", "def work(): ...")
    registry = discover(["group"])
    assert list(registry.functions) == ["whole.work"]
    [refused] = registry.refused
    assert (refused.name, refused.file, refused.line) == ("group.broken", str(path), line)
    assert refused.problem.startswith(f"the module {problem}")
    assert refused.cure


def test_a_module_that_does_not_exist_is_refused_with_the_setting_named() -> None:
    [refused] = discover(["no_such_module_anywhere"]).refused
    assert (refused.file, refused.line) == ("", 0)
    assert "AEGIS_SERVICES" in refused.cure


def test_the_second_of_two_functions_with_one_name_is_refused_with_both_places(
    write_module: WriteModule,
) -> None:
    first = write_module("one.reports", "def send(): ...")
    write_module("one.__init__", "")
    second = write_module("two.reports", "def send(): ...")
    write_module("two.__init__", "")
    registry = discover(["one", "two"])
    assert registry.functions["reports.send"].module == "one.reports"
    [refused] = registry.refused
    assert f"{first}:1" in refused.problem
    assert f"{second}:1" in refused.problem


def test_an_alias_that_is_taken_is_refused(write_module: WriteModule) -> None:
    write_module(
        "renamed",
        """
        from aegis_web.registry import service
        def a(): ...
        @service(aliases=("renamed.a",))
        def b(): ...
        """,
    )
    registry = discover(["renamed"])
    assert list(registry.functions) == ["renamed.a"]
    assert refused_problem(registry, "renamed.b").startswith("alias renamed.a at ")


def test_the_mark_gives_the_defaults_and_leaves_the_function_as_it_is(
    write_module: WriteModule,
) -> None:
    write_module(
        "marked",
        '''
        from aegis_web.registry import service

        @service(category="Money", timeout_seconds=60, retries=2, grace_seconds=30,
                 runs_in="thread", title="Pay them")
        def pay(amount: int) -> int:
            """Pay.

            Pays what is owed.

            Args:
                amount: How much,
                    in cents.
            """
            return amount
        ''',
    )
    pay = discover(["marked"]).functions["marked.pay"]
    assert (pay.category, pay.timeout_seconds, pay.retries) == ("Money", 60, 2)
    assert (pay.grace_seconds, pay.runs_in) == (30, "thread")
    assert (pay.title, pay.help) == ("Pay them", "Pays what is owed.")
    assert pay.parameters[0].help == "How much, in cents."
    assert sys.modules["marked"].pay(3) == 3


@pytest.mark.parametrize(
    ("mark", "problem"),
    [
        ("name='a b'", "its name 'a b' cannot be used"),
        ("runs_in='loop'", "it shall run in the event loop but is a plain def"),
        ("timeout_seconds=-1", "its timeout_seconds is -1"),
        ("timeout_seconds=0", "its timeout_seconds is 0"),
        ("retries=101", "its retries is 101"),
        ("grace_seconds=True", "its grace_seconds is True"),
    ],
)
def test_a_mark_that_cannot_be_kept_is_refused(
    mark: str, problem: str, write_module: WriteModule
) -> None:
    source = f"from aegis_web.registry import service\n@service({mark})\ndef f(): ..."
    write_module("mismarked", source)
    [refused] = discover(["mismarked"]).refused
    assert refused.problem == problem


def test_a_function_that_needs_a_setting_is_offered_only_with_it(write_module: WriteModule) -> None:
    write_module(
        "guarded",
        """
        from aegis_web.registry import Requires, service
        @service(requires="allow_commands")
        def short(): ...
        @service(requires=Requires("file_roots", "set AEGIS_FILE_ROOTS to a folder"))
        def long(): ...
        """,
    )
    without = discover(["guarded"], settings=SimpleNamespace(allow_commands=False, file_roots=()))
    assert without.functions == {}
    assert [absent.cure for absent in without.not_offered] == [
        "set AEGIS_ALLOW_COMMANDS",
        "set AEGIS_FILE_ROOTS to a folder",
    ]
    assert "set AEGIS_FILE_ROOTS" in without.why_missing("guarded.long")
    with pytest.raises(Invalid, match="not offered here: set AEGIS_ALLOW_COMMANDS"):
        without.add("guarded:short")
    assert without.functions == {}
    given = discover(["guarded"], settings=SimpleNamespace(allow_commands=True, file_roots=("/",)))
    assert list(given.functions) == ["guarded.short", "guarded.long"]


def test_an_undeclared_function_can_be_added_once(write_module: WriteModule) -> None:
    write_module("outside", "def work(count: int = 1): ...")
    registry = Registry()
    added = registry.add("outside:work")
    assert added.name == "outside.work"
    assert registry.add(sys.modules["outside"].work) is added
    assert registry.find("outside.work") is added


@pytest.mark.parametrize(
    ("source", "function", "cure"),
    [
        ("work = lambda: 1", "outside:work", "it is a lambda"),
        ("class A:\n    def work(self): ...", "outside:A.work", "cannot be loaded"),
        ("def make():\n    def work(): ...\n    return work\nwork = make()", "outside:work", "def"),
        ("work = print", "outside:work", "wrap it in a def"),
        ("def work(a): ...", "outside:work", "write its type: a: str"),
        ("", "outside:gone", "package.module:function"),
        ("", "no colon", "package.module:function"),
    ],
)
def test_a_function_that_no_process_could_find_again_cannot_be_added(
    source: str, function: str, cure: str, write_module: WriteModule
) -> None:
    write_module("outside", source)
    registry = Registry()
    with pytest.raises(Invalid, match=cure):
        registry.add(function)
    assert registry.functions == {}


def test_the_built_in_functions_are_all_offered_and_none_is_refused() -> None:
    registry = discover(["aegis_web.services"])
    assert registry.refused == []
    expected = {"http_request", "check_certificate", "delete_old_files", "run_command"}
    assert expected <= set(registry.functions)
    for function in registry.functions.values():
        assert function.help, f"{function.name} has no help"
        for parameter in function.parameters:
            named = ("method", "port", "host", "program")
            assert parameter.help or parameter.name in named, f"{function.name}: {parameter.name}"
        names = [parameter.name for parameter in function.parameters]
        assert list(function.json_schema()["properties"]) == names
        assert [control.name for control in function.controls()] == [f"arg.{n}" for n in names]


def test_functions_that_reach_the_machine_are_offered_only_where_settings_allow_it() -> None:
    closed = SimpleNamespace(
        allow_commands=False, file_roots=(), persistent=True, backup_off_site=None
    )
    registry = discover(["aegis_web.services"], settings=closed)
    assert {"run_command", "delete_old_files"} <= {absent.name for absent in registry.not_offered}
    assert registry.find("run_command") is None
    assert registry.find("http_request") is not None
