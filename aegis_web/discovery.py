"""Where service functions are looked for: modules imported, their own functions listed.

A module that cannot be imported is refused with file, line and cure; the others still work.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

DECLARE = "declare"  # a module's declare(scheduler) declares code jobs and is no service function


@dataclass(frozen=True)
class Refused:
    """A function or module that cannot be offered, where it is, why, and what to do."""

    name: str
    file: str  # empty when there is none
    line: int  # 0 when there is none
    problem: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.name}: {self.problem}. Cure: {self.cure}"


def import_all(names: Sequence[str]) -> tuple[list[ModuleType], list[Refused]]:
    """The modules of `names`, packages with every public module in them, each once."""
    modules: dict[str, ModuleType] = {}
    refused: list[Refused] = []
    for name in names:
        _import(name, modules, refused)
    return list(modules.values()), refused


def own_functions(module: ModuleType, mark: str) -> list[Any]:
    """What `module` defines itself and offers: marked callables and public functions.

    Imported ones are never among them, marked or not.
    """
    found: dict[int, Any] = {}
    for name, value in vars(module).items():
        marked = getattr(value, mark, None) if callable(value) else None
        own = marked.module == module.__name__ if marked else value_is_own(module, name, value)
        if own:
            found.setdefault(id(value), value)
    return list(found.values())


def value_is_own(module: ModuleType, name: str, value: Any) -> bool:
    """Whether an unmarked `value` is a public function defined in `module`."""
    if name.startswith("_") or name == DECLARE or not inspect.isfunction(value):
        return False
    return value.__module__ == module.__name__


def place_of(function: Any) -> tuple[str, int]:
    """File and line of a function; ("", 0) for what has none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)


def _import(name: str, modules: dict[str, ModuleType], refused: list[Refused]) -> None:
    if name in modules:
        return
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        refused.append(refusal_of(name, error))
        return
    modules[name] = module
    for inner in _inner_names(module):
        _import(inner, modules, refused)


def _inner_names(module: ModuleType) -> Iterator[str]:
    for info in sorted(pkgutil.iter_modules(getattr(module, "__path__", [])), key=lambda i: i.name):
        if not info.name.startswith("_"):
            yield f"{module.__name__}.{info.name}"


def refusal_of(name: str, error: BaseException) -> Refused:
    """Why a module that raised `error` at its import is refused."""
    file = _file_of(name)
    if not file and isinstance(error, ModuleNotFoundError):
        cure = "correct the name in AEGIS_SERVICES, or start where the module can be imported"
        return Refused(name, "", 0, f"there is no such module ({error})", cure)
    place_file, line = _place_of_error(file, error)
    what = "ends the program" if isinstance(error, SystemExit) else f"raises {_words(error)}"
    return Refused(name, place_file, line, f"the module {what} when it is imported", _cure(error))


def declaration_refused(name: str, error: Exception) -> Refused:
    """Why a module's declare(scheduler) was not followed to its end: its own line, and the cure."""
    file, line = _place_of_error(_file_of(name), error)
    problem = f"its declare(scheduler) raises {_words(error)}"
    return Refused(f"{name}.{DECLARE}", file, line, problem, "mend this declaration")


def _cure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"install {error.name} in this environment, or take the import out"
    if isinstance(error, SyntaxError):
        return "mend this line"
    return "mend this line, or move what it does into the function"


def _words(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def _place_of_error(file: str, error: BaseException) -> tuple[str, int]:
    """The deepest line of the module itself that the error came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if frame.filename == file]
    return file, lines[-1] if lines else 1


def _file_of(name: str) -> str:
    try:
        spec = importlib.util.find_spec(name)
    except Exception:
        spec = None
    origin = spec.origin if spec else None
    return str(Path(origin)) if origin else ""
