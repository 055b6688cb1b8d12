"""Walks: the rooms that an argument passes on its way through the source, and its climbs.

Concept: a walk starts at a parameter of a function. The parameter is *carried*, and so is each name that is bound to an
expression with a carried name in it. A call enters a function with the parameters that get a carried argument. A name
after the dot of a carried object enters the method or property that the annotation of the object leads to: of a port
the port's own, never an adapter's. Inner functions are part of their outer one. All branches are taken.

- A *room* is a module that hands a carried value on to another module.
- A *climb* is a call into a higher layer, or from another module of its own layer back into the object that the walk
  began with. It counts once for each module that calls and each function that is called.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.source import Class, Function, FunctionNode, Source, parameters


@dataclass(frozen=True)
class Walk:
    """Modules that were passed; climbs as the module that calls and the function that is called."""

    rooms: set[str]
    climbs: set[tuple[str, str]]


def walk(source: Source, starts: Sequence[str], layers: Sequence[Sequence[str]]) -> Walk:
    """Follow arguments, each `module:function:parameter`. The highest of the layers comes first."""
    carried: dict[Function, set[str]] = defaultdict(set)
    begun: set[Class] = set()
    for start in starts:
        module, name, parameter = start.split(":")
        function = source.defined(module, name)
        stay = _Stay(source, function, {parameter}) if isinstance(function, Function) else None
        if stay is None or parameter not in stay.types:
            raise LookupError(f"no walk can start at {start}; name it as it is called now, in house.toml")
        begun |= {one for kind in stay.types[parameter] for one in kind.line}
        carried[stay.function].add(parameter)
    waiting, found = list(carried), Walk(set(), set())
    while waiting:
        function = waiting.pop()
        here = function.module
        for callee, taken in _Stay(source, function, carried[function]).entered():
            there = callee.module
            if here != there:
                found.rooms.add(here)
                rises = _rise(here, there, layers)
                if rises > 0 or (rises == 0 and callee.owner in begun and function.owner not in begun):
                    found.climbs.add((here, f"{there}.{callee.node.name}"))
            if not taken <= carried[callee]:
                carried[callee] |= taken
                waiting.append(callee)
    return found


def _rise(here: str, there: str, layers: Sequence[Sequence[str]]) -> int:
    """Return by how many layers a call rises; -1 for a module of no layer, which anybody may call."""
    at = [
        next((i for i, layer in enumerate(layers) if any(f"{one}.".startswith(f"{name}.") for name in layer)), None)
        for one in (here, there)
    ]
    return -1 if at[0] is None or at[1] is None else at[0] - at[1]


class _Stay:
    """A function with the names that are carried in it and the classes that names can have."""

    def __init__(self, source: Source, function: Function, carried: set[str]) -> None:
        self.source, self.function, self.carried = source, function, set(carried)
        self.types: dict[str, set[Class]] = defaultdict(set)
        nodes = list(ast.walk(function.node))
        for node in nodes:
            for one in parameters(node) if isinstance(node, FunctionNode) else ():
                self.types[one.arg] |= source.annotated(function.module, one.annotation)
        if function.owner and function.takes_object:
            self.types[parameters(function.node)[0].arg].add(function.owner)
        bindings = [binding for node in nodes for binding in _bindings(node)]
        known = -1
        while known != self._known():
            known = self._known()
            for target, value, annotation in bindings:
                types = source.annotated(function.module, annotation) if annotation else self.classes_of(value)
                is_carried = value is not None and self.has_carried(value)
                for name in (one.id for one in ast.walk(target) if isinstance(one, ast.Name)):
                    self.types[name] |= types
                    self.carried |= {name} if is_carried else set()

    def _known(self) -> int:
        return len(self.carried) + sum(map(len, self.types.values()))

    def has_carried(self, node: ast.AST) -> bool:
        return any(isinstance(one, ast.Name) and one.id in self.carried for one in ast.walk(node))

    def classes_of(self, value: ast.AST | None) -> set[Class]:
        """Return the classes that an expression can have; of a list, those of its items."""
        if value is None or isinstance(value, ast.Name):
            return self.types.get(value.id, set()) if value else set()
        if isinstance(value, ast.Attribute):
            members = self.source.members(self.classes_of(value.value), value.attr)
            return {one for member in members for one in self._given(member)}
        if isinstance(value, ast.Call) and (callees := self.callees(value.func)):
            return {one for callee in callees for one in self._given(callee)}
        return {one for part in ast.iter_child_nodes(value) for one in self.classes_of(part)}

    def _given(self, member: Function | Class | set[Class]) -> set[Class]:
        if isinstance(member, Function):
            return self.source.annotated(member.module, member.node.returns)
        return {member} if isinstance(member, Class) else member

    def callees(self, called: ast.expr) -> list[Function | Class]:
        """Return what a call can enter."""
        known = None
        if not isinstance(called, ast.Name) or called.id not in self.types:
            known = self.source.meaning(self.function.module, called)
        if isinstance(known, Function | Class):
            return [known]
        if not isinstance(called, ast.Attribute):
            return []
        holder = self.source.meaning(self.function.module, called.value)
        holders = {holder} if isinstance(holder, Class) else self.classes_of(called.value)
        return [one for one in self.source.members(holders, called.attr) if isinstance(one, Function)]

    def entered(self) -> Iterator[tuple[Function, set[str]]]:
        """Yield each function that is entered by something carried, with the parameters that get it."""
        for node in ast.walk(self.function.node):
            if isinstance(node, ast.Call):
                for callee in self.callees(node.func):
                    makers = ("__init__", "__post_init__") if isinstance(callee, Class) else ()
                    made = [one for name in makers for one in self.source.members({callee}, name)]  # type: ignore[arg-type]
                    for function in made if isinstance(callee, Class) else [callee]:
                        if isinstance(function, Function) and (taken := self._taken(node, function)):
                            yield function, taken
            elif isinstance(node, ast.Attribute) and self.has_carried(node.value):
                for member in self.source.members(self.classes_of(node.value), node.attr):
                    if isinstance(member, Function) and member.takes_object:
                        yield member, {parameters(member.node)[0].arg}

    def _taken(self, call: ast.Call, function: Function) -> set[str]:
        names = [one.arg for one in parameters(function.node)][1 if function.takes_object else 0 :]
        taken = set()
        for place, value in enumerate(call.args):
            if self.has_carried(value):
                taken.update(names[place:] if isinstance(value, ast.Starred) else names[place : place + 1])
        for keyword in call.keywords:
            if self.has_carried(keyword.value):
                taken.update(names if keyword.arg is None else {keyword.arg} & set(names))
        return taken


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.expr | None, ast.expr | None]]:
    """Yield a target, the value that it gets and its annotation."""
    if isinstance(node, ast.Assign):
        names = (one for one in node.targets if not isinstance(one, ast.Attribute | ast.Subscript))
        yield from ((one, node.value, None) for one in names)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target, node.value, node.annotation
    elif isinstance(node, ast.AugAssign | ast.NamedExpr) and isinstance(node.target, ast.Name):
        yield node.target, node.value, None
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.target, node.iter, None
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield node.optional_vars, node.context_expr, None
