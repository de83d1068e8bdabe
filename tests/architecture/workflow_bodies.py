"""Are the bodies of workflows deterministic? Found and read in the source, without running anything.

A body runs again from its start after a crash, and the engine gives it back the recorded results of its steps in
order. So outside of steps it may do nothing whose outcome can differ: it awaits only the durable calls and its own
parts, and asks no clock, no dice, no settings and no outside thing. What it hands to a step (`partial(self._plan,
...)`) is not run there, and may do as it likes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from source_tree import Function, Module, dotted, imported_names, meaning

DURABLE = "opsteward.core.durable"
AWAITABLE = frozenset(f"{DURABLE}.{name}" for name in ("step", "steps_together", "send", "receive", "sleep"))
#: What gives another answer each time, or waits for something; by the beginning of its full name.
UNSTEADY = (
    "time", "random", "secrets", "datetime", "os", "asyncio", "socket", "subprocess", "pathlib", "threading", "psutil",
    "uuid.uuid1", "uuid.uuid4", "opsteward.core.clock", "opsteward.core.ids.uuid7", "opsteward.core.http_client",
    "open", "input", "id", "hash",
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """One registered workflow: `name` is `file: Class.method`."""

    name: str
    module: Module
    owner: ast.ClassDef
    function: Function


def registered(module: Module) -> Iterator[Body]:
    """The methods that a class of this file registers: `workflows.register(NAME, self.method)`."""
    for owner in [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]:
        methods = _methods(owner)
        for call in [node for node in ast.walk(owner) if isinstance(node, ast.Call)]:
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "register" and len(call.args) == 2):
                continue
            name = dotted(call.args[1]).removeprefix("self.")
            if name not in methods:
                raise AssertionError(f"{module.name}: register a workflow as self.method, so that it can be checked")
            yield Body(f"{module.name}: {owner.name}.{name}", module, owner, methods[name])


def unsteady(body: Body) -> Iterator[str]:
    """What in a body, or in a part of it, may differ when it runs again."""
    methods, names = _methods(body.owner), imported_names(body.module.tree)
    functions = {node.name: node for node in body.module.tree.body if isinstance(node, Function)}
    waiting: list[Function] = [body.function]
    seen: set[str] = set()
    while waiting:
        function = waiting.pop()
        if function.name in seen:
            continue
        seen.add(function.name)
        for node in ast.walk(function):
            problem = _problem(node, methods, names)
            if problem:
                yield f"{body.module.name}: {body.owner.name}.{function.name}: {problem}"
            elif isinstance(node, ast.Call):
                called = dotted(node.func)
                part = (
                    methods.get(called.removeprefix("self.")) if called.startswith("self.") else functions.get(called)
                )
                if part is not None:
                    waiting.append(part)


def _methods(owner: ast.ClassDef) -> dict[str, Function]:
    return {node.name: node for node in owner.body if isinstance(node, Function)}


def _problem(node: ast.AST, methods: Mapping[str, Function], names: dict[str, str]) -> str:
    if isinstance(node, ast.AsyncFor | ast.AsyncWith):
        return "waits for something that is no step"
    if isinstance(node, ast.comprehension) and node.is_async:
        return "waits for something that is no step"
    if isinstance(node, ast.Await):
        called = node.value.func if isinstance(node.value, ast.Call) else node.value
        own = dotted(called).startswith("self.") and dotted(called).removeprefix("self.") in methods
        if not own and meaning(called, names) not in AWAITABLE:
            return f"awaits {ast.unparse(called)}, which is no step"
    if isinstance(node, ast.Call):
        full = meaning(node.func, names)
        if any(full == bad or full.startswith(f"{bad}.") for bad in UNSTEADY):
            return f"calls {full}"
    if isinstance(node, ast.Attribute) and {"settings", "_settings"} & set(dotted(node).split(".")[:-1]):
        return "reads a setting, which a restart may change"
    return ""
