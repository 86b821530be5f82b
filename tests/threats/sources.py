"""What no source of ours may hold, found in its syntax tree rather than in its words."""

import ast
import re
from collections.abc import Iterator

UNSAFE_MODULES = frozenset({"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "yaml"})
SHELLS = frozenset({"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"})
EVALUATING = frozenset({"eval", "exec", "compile", "__import__"})
AROUND_ESCAPING = frozenset({"Markup", "render_template_string", "from_string"})
SECRET_NAMES = re.compile(r"(password|secret|digest|signature|sha256|csrf_token|api_key)", re.I)
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM|(DROP|ALTER|CREATE)\s+"
    r"(TABLE|INDEX|VIEW|TRIGGER|DATABASE))\b",
    re.I | re.S,
)


def findings(source: str) -> Iterator[tuple[str, int]]:
    """What is dangerous in the Python text `source`, and on which line."""
    for node in ast.walk(ast.parse(source)):
        for what in dangers(node):
            yield what, getattr(node, "lineno", 0)


def dangers(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (one.name for one in node.names if root(one.name) in UNSAFE_MODULES)
        case ast.ImportFrom():
            if node.module and root(node.module) in UNSAFE_MODULES:
                yield node.module
                yield from (f"{node.module}.{one.name}" for one in node.names if loads(one.name))
        case ast.Call():
            yield from dangerous_calls(node)
        case ast.Attribute(value=ast.Name(id="yaml")) if loads(node.attr):
            yield f"yaml.{node.attr}"
        case ast.Compare():
            if any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
                yield from secrets_compared([node.left, *node.comparators])
        case ast.JoinedStr():
            words = "".join(str(part.value) if isinstance(part, ast.Constant) else "x"
                            for part in node.values)  # fmt: skip
            if SQL.search(words):
                yield "SQL put together"
        case ast.BinOp(op=ast.Mod() | ast.Add(), left=ast.Constant(value=str() as words)):
            if SQL.search(f"{words} x"):
                yield "SQL put together"


def dangerous_calls(node: ast.Call) -> Iterator[str]:
    name, owner = called(node.func)
    if owner == "" and name in EVALUATING:
        yield name
    if owner in ("os", "subprocess", "commands", "asyncio") and name in SHELLS:
        yield f"{owner}.{name}"
    if name in AROUND_ESCAPING:
        yield name
    if name == "import_module" and not constant_enough(node):
        yield "import_module of a variable"
    for given in node.keywords:
        on = isinstance(given.value, ast.Constant) and given.value.value is True
        if given.arg == "shell" and not (isinstance(given.value, ast.Constant) and not on):
            yield "shell="
        if given.arg == "autoescape" and not on:
            yield "autoescape="
    match node.func:
        case ast.Attribute(value=ast.Constant(value=str() as words), attr="format"):
            if SQL.search(f"{words} x"):
                yield "SQL put together"


def secrets_compared(sides: list[ast.expr]) -> Iterator[str]:
    """A comparison that stops at the first wrong byte; of columns it makes SQL, which has none."""
    if any(isinstance(side, ast.Constant) for side in sides):
        return
    for side in sides:
        name, owner = called(side.func if isinstance(side, ast.Call) else side)
        if owner[:1].isupper() or owner in ("c", "columns"):  # a column of a model or of a table
            return
        if SECRET_NAMES.search(name):
            yield f"== on {name}"


def constant_enough(node: ast.Call) -> bool:
    return bool(node.args) and isinstance(node.args[0], (ast.Constant, ast.JoinedStr))


def called(node: ast.expr) -> tuple[str, str]:
    """The last name of a dotted expression and the one before it."""
    if isinstance(node, ast.Attribute):
        return node.attr, called(node.value)[0]
    return (node.id, "") if isinstance(node, ast.Name) else ("", "")


def loads(name: str) -> bool:
    """Whether a function of PyYAML, which may write, reads."""
    return "load" in name.lower() or name in ("parse", "compose", "compose_all", "scan")


def root(module: str) -> str:
    return module.partition(".")[0]
