"""The house rules that no linter knows, each as a function from source to what is wrong with it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from source_tree import Function, Module, dotted, imported_names, meaning

MAX_FILE = 400  # lines
#: How modules begin that nobody writes by hand: they are as long as the API is.
WRITTEN = '"""What the API takes and answers'
MAX_FUNCTION = 80
#: A body of so many lines says what it does as shortly as a docstring would.
SAYS_ITSELF = 4
#: They name a place to put things, not a thing.
NAMES_OF_NOTHING = frozenset({"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"})
#: Rooms that take a session from `unit_of_work` and hand it on: they name its type and nothing else of SQLAlchemy.
HAND_SESSIONS_ON = frozenset({"app", "console"})
SESSION = "sqlalchemy.ext.asyncio.AsyncSession"


def too_long(module: Module) -> Iterator[str]:
    lines = len(module.text.splitlines())
    if lines > MAX_FILE and not module.text.startswith(WRITTEN):
        yield f"{module.name}: {lines} lines"
    for name, function in module.functions():
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > MAX_FUNCTION:
            yield f"{module.name}: {name} has {length} lines"


def badly_named(module: Module) -> Iterator[str]:
    for part in module.name.removesuffix(".py").split("/"):
        if part in NAMES_OF_NOTHING:
            yield f"{module.name}: {part} says nothing about what is in there"


def undocumented(modules: Sequence[Module]) -> Iterator[str]:
    """Modules, and public classes and functions, without a docstring.

    Left out: what overrides a documented method, bodies of a few lines, and classes that are nothing but fields.
    """
    classes = _Classes(modules)
    for module in modules:
        if not ast.get_docstring(module.tree):
            yield module.name
        for owner, node in _public(module.tree.body, None):
            if ast.get_docstring(node):
                continue
            if isinstance(node, ast.ClassDef):
                if any(isinstance(part, Function) for part in node.body):
                    yield f"{module.name}: {node.name}"
            elif _lines_of_body(node) > SAYS_ITSELF and not (owner and classes.documents(owner, node.name)):
                yield f"{module.name}: {f'{owner.name}.' if owner else ''}{node.name}"


def _public(
    body: Iterable[ast.stmt], owner: ast.ClassDef | None
) -> Iterator[tuple[ast.ClassDef | None, ast.ClassDef | Function]]:
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield owner, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, node)


def _lines_of_body(function: Function) -> int:
    return (function.end_lineno or 0) - function.body[0].lineno + 1


class _Classes:
    """All classes by name, to ask whether a method is documented where it is first declared."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._by_name: dict[str, list[ast.ClassDef]] = {}
        for module in modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    self._by_name.setdefault(node.name, []).append(node)

    def documents(self, owner: ast.ClassDef, method: str, *, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a base class of `owner` has this method with a docstring."""
        for base in owner.bases:
            name = dotted(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2]
            for parent in self._by_name.get(name, []) if name not in seen else []:
                if any(
                    isinstance(part, Function) and part.name == method and ast.get_docstring(part)
                    for part in parent.body
                ) or self.documents(parent, method, seen=seen | {name}):
                    return True
        return False


def broad_excepts(module: Module) -> Iterator[str]:
    """Functions that catch every error and do not let it go on. Named as `file: function`."""
    for name, function in module.functions():
        for node in _own_nodes(function):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _lets_it_go_on(node):
                yield f"{module.name}: {name}"


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """What belongs to the function itself, not to functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _is_broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind) in ("Exception", "BaseException") for kind in kinds)


def _lets_it_go_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def foreign_threads(module: Module) -> Iterator[str]:
    """Blocking calls on threads that the engine needs; `core.blocking.in_thread` has threads of its own."""
    names = imported_names(module.tree)
    for name, function in module.functions():
        for node in _own_nodes(function):
            if not isinstance(node, ast.Call):
                continue
            is_default_pool = (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "run_in_executor"
                and (not node.args or (isinstance(node.args[0], ast.Constant) and node.args[0].value is None))
            )
            if meaning(node.func, names) == "asyncio.to_thread" or is_default_pool:
                yield f"{module.name}: {name}"


def sqlalchemy_beyond_sessions(module: Module) -> Iterator[str]:
    """More of SQLAlchemy than a session's type, in a room that only hands sessions on."""
    if module.room in HAND_SESSIONS_ON:
        for name in imported_names(module.tree).values():
            if name.partition(".")[0] == "sqlalchemy" and name != SESSION:
                yield f"{module.name}: {name}"
