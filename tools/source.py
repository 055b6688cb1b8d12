"""What the names of all modules mean, read from their source and without running it.

Concept: imports inside functions and under TYPE_CHECKING count like those at the top. An annotation stands for each
class of ours that it mentions, so that the items of a list are known, too. What no annotation says is unknown.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class Function:
    """A function at the top of a module, or a method."""

    module: str
    node: FunctionNode
    owner: Class | None = None

    @property
    def takes_object(self) -> bool:
        """Whether the first parameter is the object or class before the dot."""
        return self.owner is not None and "staticmethod" not in map(ast.unparse, self.node.decorator_list)


@dataclass(frozen=True, eq=False)
class Class:
    """A class at the top of a module, with its own members; a field has its annotation."""

    module: str
    node: ast.ClassDef
    bases: list[Class] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    fields: dict[str, ast.expr | None] = field(default_factory=dict)

    @cached_property
    def line(self) -> list[Class]:
        """The class and the classes of ours that it inherits from, a base after everything that inherits from it."""
        found = [self, *chain.from_iterable(base.line for base in self.bases)]
        return [one for place, one in enumerate(found) if one not in found[place + 1 :]]

    @property
    def public_names(self) -> set[str]:
        """Methods and fields, inherited ones too."""
        return {name for one in self.line for name in [*one.functions, *one.fields] if not name.startswith("_")}


def parse(root: Path, *folders: str) -> dict[str, ast.Module]:
    """Return the syntax trees of all modules below some folders, by dotted name."""
    found = {}
    for path in chain.from_iterable(sorted((root / folder).rglob("*.py")) for folder in folders):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_bytes(), filename=str(path))
    return found


def parameters(node: FunctionNode) -> list[ast.arg]:
    """Return the parameters of a function in order."""
    given = node.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]


class Source:
    """Functions and classes by module and name, through imports."""

    def __init__(self, modules: Mapping[str, ast.Module]) -> None:
        """Read imports and definitions."""
        self._names: dict[str, dict[str, Function | Class | str]] = {module: {} for module in modules}
        for module, tree in modules.items():
            names = self._names[module]
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    names.update({one.asname or one.name: f"{node.module}.{one.name}" for one in node.names})
            for statement in tree.body:
                if isinstance(statement, FunctionNode):
                    names[statement.name] = Function(module, statement)
                elif isinstance(statement, ast.ClassDef):
                    names[statement.name] = _class(module, statement)
        self.classes = [one for names in self._names.values() for one in names.values() if isinstance(one, Class)]
        for kind in self.classes:
            bases = [self.meaning(kind.module, base) for base in kind.node.bases]
            kind.bases.extend(base for base in bases if isinstance(base, Class))

    def meaning(self, module: str, expression: ast.expr) -> Function | Class | str | None:
        """Return what a name, or a name after a dot, means in a module; a module is its dotted name."""
        if isinstance(expression, ast.Subscript):
            return self.meaning(module, expression.value)
        if isinstance(expression, ast.Name):
            return self.defined(module, expression.id)
        holder = self.meaning(module, expression.value) if isinstance(expression, ast.Attribute) else None
        return self._found(f"{holder}.{expression.attr}") if isinstance(holder, str) else None  # type: ignore[attr-defined]

    def defined(self, module: str, name: str) -> Function | Class | str | None:
        """Return what a name of a module means, wherever it was imported from."""
        found = self._names[module].get(name)
        return self._found(found) if isinstance(found, str) else found

    def _found(self, path: str) -> Function | Class | str | None:
        origin, _, name = path.rpartition(".")
        imported = self._names.get(origin, {}).get(name)
        if path in self._names and not isinstance(imported, (Function, Class)):
            return path
        return self.defined(origin, name) if imported != path and origin in self._names else None

    def annotated(self, module: str, annotation: ast.expr | None) -> set[Class]:
        """Return the classes of ours that an annotation mentions."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        if annotation is None or isinstance(annotation, ast.Constant):
            return set()
        if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in {"Literal", "Annotated"}:
            is_text = isinstance(annotation.slice, ast.Constant) or ast.unparse(annotation.value) == "Literal"
            return set() if is_text else self.annotated(module, next(_children(annotation.slice)))
        found = self.meaning(module, annotation)
        if isinstance(found, Class):
            return {found}
        return set(chain.from_iterable(self.annotated(module, part) for part in _children(annotation)))

    def members(self, holders: set[Class], name: str) -> Iterator[Function | set[Class]]:
        """Yield what a name after a dot can be: a method or a property, or the classes of a field."""
        for holder in holders:
            for one in holder.line:
                if name in one.functions:
                    yield one.functions[name]
                    break
                if name in one.fields:
                    yield self.annotated(one.module, one.fields[name])
                    break


def _children(node: ast.AST) -> Iterator[ast.expr]:
    return (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))


def _class(module: str, node: ast.ClassDef) -> Class:
    made = Class(module, node)
    for part in node.body:
        if isinstance(part, FunctionNode):
            made.functions[part.name] = Function(module, part, made)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            made.fields[part.target.id] = part.annotation
        elif isinstance(part, ast.Assign):
            made.fields.update({one.id: None for one in part.targets if isinstance(one, ast.Name)})
    for method in made.functions.values():
        types = {one.arg: one.annotation for one in parameters(method.node)}
        for inner in ast.walk(method.node):
            for target, annotation in _fields_set(inner, types):
                if target not in made.functions:
                    made.fields.setdefault(target, annotation)
    return made


def _fields_set(part: ast.AST, types: Mapping[str, ast.expr | None]) -> Iterator[tuple[str, ast.expr | None]]:
    if not isinstance(part, ast.Assign | ast.AnnAssign):
        return
    annotation = part.annotation if isinstance(part, ast.AnnAssign) else None
    if annotation is None and isinstance(part.value, ast.Name):
        annotation = types.get(part.value.id)
    if annotation is None and isinstance(part.value, ast.Call):
        annotation = part.value.func
    targets = part.targets if isinstance(part, ast.Assign) else [part.target]
    for target in chain.from_iterable(one.elts if isinstance(one, ast.Tuple) else [one] for one in targets):
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
            yield target.attr, annotation if len(targets) == 1 and target in targets else None
