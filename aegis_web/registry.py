"""The registry: stable names to service functions; read-only once the product has started.

    @service(timeout_seconds=600, aliases=("reports.send",))
    async def send_daily_report(day: date, recipients: list[str]) -> int:
        \"\"\"Send the daily report.\"\"\"

It knows functions, not jobs: nothing here reads the database or runs anything.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeVar, overload

from aegis_web.discovery import Refused, import_all, own_functions, place_of
from aegis_web.errors import Invalid
from aegis_web.language import _
from aegis_web.parameters import Arguments, Unsuited, read_signature
from aegis_web.parameters.docstrings import humanised, read_docstring

OWN = ("aegis_web.services.", "Upkeep")  # where the functions of the product's own jobs are
MARK = "__aegis_service__"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
LIMITS = {
    "timeout_seconds": (1, 30 * 86_400),
    "retries": (0, 100),
    "grace_seconds": (0, 365 * 86_400),
}  # of what jobs start out with, and of what they may choose
MADE_INSIDE = "define it with `def` at the top level of a module, so that any process can find it"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Requires:
    """A setting without which a service function is not offered, and how to set it."""

    setting: str  # an attribute of Settings that must be true or not empty
    cure: str


@dataclass(frozen=True)
class Mark:
    """What `@service` notes on a function."""

    module: str
    name: str | None = None
    aliases: tuple[str, ...] = ()
    title: str | None = None
    category: str | None = None
    timeout_seconds: int | None = None
    retries: int = 0
    grace_seconds: int | None = None
    runs_in: Literal["loop", "thread", "process"] | None = None
    fresh: bool = False
    idempotent: bool = False
    of_all_jobs: bool = False
    requires: Requires | None = None


@overload
def service(function: Function, /) -> Function: ...


@overload
def service(
    *,
    name: str | None = None,
    aliases: Iterable[str] = (),
    title: str | None = None,
    category: str | None = None,
    timeout_seconds: int | None = None,
    retries: int = 0,
    grace_seconds: int | None = None,
    runs_in: Literal["loop", "thread", "process"] | None = None,
    fresh: bool = False,
    idempotent: bool = False,
    of_all_jobs: bool = False,
    requires: Requires | str | None = None,
) -> Callable[[Function], Function]: ...


def service(function: Any = None, /, **options: Any) -> Any:
    """Mark a function as a service function and say what its jobs start out with.

    `name` is the stable name that jobs keep; give the old one in `aliases` when it changes.
    `runs_in`: "process" (a plain `def`, where it can be killed) or "thread" (light ones); `fresh`
    asks for a new process for each run. `idempotent` says that a run may safely happen again, so
    that its jobs may be tried again after their process died. `of_all_jobs` closes it to accounts
    that see only some jobs.
    `requires` is the setting without which it is not offered ("allow_commands").
    """
    module = sys._getframe(1).f_globals["__name__"]
    if isinstance(options.get("aliases"), str):
        raise TypeError("aliases is a tuple of names: aliases=('old_name',)")
    if isinstance(requires := options.get("requires"), str):
        options["requires"] = Requires(requires, f"set AEGIS_{requires.upper()}")
    options["aliases"] = tuple(options.get("aliases", ()))
    mark = Mark(module=module, **options)

    def decorate(decorated: Any) -> Any:
        setattr(decorated, MARK, mark)
        return decorated

    return decorate if function is None else decorate(function)


class ServiceFunction(Arguments):
    """A callable that does a job's work, with everything that forms and the engine ask of it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises: Unsuited when no form can offer `function`."""
        _refuse_odd(function)
        mark: Mark = getattr(function, MARK, None) or Mark(module=function.__module__)
        documentation = read_docstring(function)
        self.name = mark.name or stable_name(function)
        self.module = mark.module
        self.file, self.line = place_of(function)
        self.aliases = mark.aliases
        title = mark.title or documentation.title or humanised(function.__name__)
        super().__init__(title, function, read_signature(function))
        self.help = documentation.help
        self.category = mark.category or humanised(function.__module__.rpartition(".")[2])
        self.is_async = inspect.iscoroutinefunction(function)
        self.timeout_seconds = mark.timeout_seconds
        self.retries = mark.retries
        self.grace_seconds = mark.grace_seconds
        self.runs_in = "loop" if self.is_async else mark.runs_in or "process"
        self.fresh, self.idempotent = mark.fresh, mark.idempotent
        self.of_all_jobs = mark.of_all_jobs
        self.requires = mark.requires
        self._refuse_unfit_mark(mark)
        self.refuse_unfit_defaults()

    def __repr__(self) -> str:
        return f"<ServiceFunction {self.name} ({self.module})>"

    @property
    def upkeep(self) -> bool:
        """Whether it serves the product itself, unlike a built-in one of general use."""
        module, category = OWN
        return self.module.startswith(module) and self.category == category

    @property
    def place(self) -> str:
        """Its file and line, as editors read them."""
        return f"{self.file}:{self.line}"

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of its arguments, with titles, helps and defaults."""
        help_text = {"description": self.help} if self.help else {}
        return {**super().json_schema(), **help_text}

    def _refuse_unfit_mark(self, mark: Mark) -> None:
        for name in (self.name, *self.aliases):
            if not NAME.fullmatch(name):
                cure = "use letters, digits, dots, dashes and underscores, at most 100"
                raise Unsuited(f"its name {name!r} cannot be used", cure)
        if mark.runs_in == "loop" and not self.is_async:
            raise Unsuited("it shall run in the event loop but is a plain def", "use async def")
        if mark.runs_in in ("thread", "process") and self.is_async:
            raise Unsuited(f"it shall run in a {mark.runs_in} but is async", "use a plain def")
        if mark.fresh and self.runs_in != "process":
            raise Unsuited("it asks for a fresh process but runs elsewhere", "leave runs_in out")
        for what, (least, most) in LIMITS.items():
            number = getattr(mark, what)
            if number is not None and (type(number) is not int or not least <= number <= most):
                cure = f"give a whole number from {least} to {most:,}"
                raise Unsuited(f"its {what} is {number!r}", cure)


@dataclass(frozen=True)
class NotOffered:
    """A service function that a setting keeps out."""

    name: str
    title: str
    help: str
    cure: str  # as its author wrote it
    upkeep: bool  # whether it serves the product itself

    @property
    def cure_words(self) -> str:
        """The cure in the reader's language, where it is one of the product's own."""
        return _(self.cure.replace("%", "%%"))


class Registry:
    """All service functions by stable name, and what was refused and why."""

    def __init__(self, settings: object | None = None) -> None:
        self._settings = settings
        self.functions: dict[str, ServiceFunction] = {}
        self.refused: list[Refused] = []
        self.not_offered: list[NotOffered] = []
        self._aliases: dict[str, str] = {}

    def find(self, name: str) -> ServiceFunction | None:
        """The service function of that name, or of which it is an alias."""
        return self.functions.get(self._aliases.get(name, name))

    def keeps_out_upkeep(self, name: str) -> bool:
        """Whether `name` serves the product itself, and a setting that it needs is not there."""
        return any(absent.name == name and absent.upkeep for absent in self.not_offered)

    def why_missing(self, name: str) -> str:
        """Why `find` has nothing for `name`, with the cure."""
        for absent in self.not_offered:
            if absent.name == name:
                cure = absent.cure_words
                return _("%(name)s is not offered here: %(cure)s", name=name, cure=cure)
        for refused in self.refused:
            if refused.name == name:
                return _(
                    "%(name)s was refused (%(problem)s): %(cure)s",
                    name=name,
                    problem=refused.problem,
                    cure=refused.cure,
                )
        return _(
            "no service function is called %(name)s: choose another, give one this alias, or name "
            "its module in AEGIS_SERVICES",
            name=name,
        )

    def add(self, function: Callable[..., Any] | str) -> ServiceFunction:
        """Register an undeclared function for a code job; a known one is only found.

        `function` may be text: "package.module:function".

        Raises: Invalid when it cannot be found again by name, no form can offer it, or a setting
        keeps it out.
        """
        wanted = _load(function) if isinstance(function, str) else function
        for known in self.functions.values():
            if known.function is wanted:
                return known
        try:
            _refuse_unfindable(wanted)
            added = ServiceFunction(wanted)
        except Unsuited as error:
            text = f"{_words(wanted)} cannot be a job: {error.problem}; {error.cure}"
            raise Invalid({"func": text}) from None
        if missing := self._missing_setting(added):
            raise Invalid({"func": f"{added.name} is not offered here: {missing.cure}"})
        if refused := self._register(added):
            raise Invalid({"func": f"{refused.problem}; {refused.cure}"})
        return added

    def read_module(self, module: ModuleType) -> None:
        """Register the module's own functions; refuse those that cannot be offered."""
        for function in own_functions(module, MARK):
            try:
                found = ServiceFunction(function)
            except Unsuited as error:
                self._refuse(function, error)
                continue
            if missing := self._missing_setting(found):
                kept_out = NotOffered(
                    found.name, found.title, found.help, missing.cure, found.upkeep
                )
                self.not_offered.append(kept_out)
            elif refused := self._register(found):
                self.refused.append(refused)

    def _register(self, found: ServiceFunction) -> Refused | None:
        """Take `found` in; where one of its names is taken, the refusal instead."""
        for name in (found.name, *found.aliases):
            if holder := self.find(name):
                problem = f"{found.name} at {found.place}: {holder.place} already has this name"
                if name != found.name:
                    problem = f"alias {name} at {found.place}: {holder.place} already has it"
                cure = "give one of them another name: @service(name=...)"
                return Refused(found.name, found.file, found.line, problem, cure)
        self.functions[found.name] = found
        self._aliases |= dict.fromkeys(found.aliases, found.name)
        return None

    def _missing_setting(self, found: ServiceFunction) -> Requires | None:
        """What the settings lack for `found` to be offered."""
        if found.requires is None or self._settings is None:
            return None
        return None if getattr(self._settings, found.requires.setting) else found.requires

    def _refuse(self, function: Any, error: Unsuited) -> None:
        mark = getattr(function, MARK, None)
        name = (mark and mark.name) or stable_name(function)
        self.refused.append(Refused(name, *place_of(function), error.problem, error.cure))


def discover(modules: Sequence[str], *, settings: object | None = None) -> Registry:
    """The registry of all service functions in `modules` (packages with everything in them).

    A function that `settings` keeps out goes to `not_offered`; None offers all. What cannot be
    imported or offered goes to `refused`; the rest works.
    """
    registry = Registry(settings)
    imported, refused = import_all(modules)
    registry.refused += refused
    for module in imported:
        registry.read_module(module)
    return registry


def stable_name(function: Any) -> str:
    """The name without a mark: "<module's last part>.<function>", or once where both agree."""
    module = getattr(function, "__module__", "").rpartition(".")[2]
    name = getattr(function, "__name__", type(function).__name__)
    return name if module == name else f"{module}.{name}"


def _load(text: str) -> Any:
    """The function that "package.module:function" names."""
    module, _, name = text.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        cure = "write it as package.module:function, with the names as they are in code"
        raise Invalid({"func": f"{text!r} cannot be loaded ({error}): {cure}"}) from error


def _refuse_odd(function: Any) -> None:
    """Raises: Unsuited for what is called like a function but is none of its own."""
    if not inspect.isfunction(function):
        raise Unsuited("it is not a plain function", "wrap it in a def of a module")
    if function.__name__ == "<lambda>":
        raise Unsuited("it is a lambda", MADE_INSIDE)


def _refuse_unfindable(function: Any) -> None:
    """Raises: Unsuited when another process could not find `function` by its name."""
    _refuse_odd(function)
    if function.__module__ == "__main__":
        raise Unsuited("it is defined in the program itself", "move it to a module")
    module = sys.modules.get(function.__module__)
    if "." in function.__qualname__:
        raise Unsuited("it is made inside another function or a class", MADE_INSIDE)
    if getattr(module, function.__name__, function) is not function:  # absent: being decorated
        raise Unsuited("its module does not have it under its name", MADE_INSIDE)


def _words(function: Any) -> str:
    name = getattr(function, "__qualname__", repr(function))
    file, line = place_of(function)
    return f"{name} ({file}:{line})" if file else name
