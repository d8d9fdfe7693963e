"""Small faults, one at a time, in the source of a module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

SWAPPED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
OPPOSITE = ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn  # swapped is negated
REMOVED = ast.Expr | ast.Raise | ast.Continue | ast.Break
ANNOTATIONS = {"annotation", "returns"}  # never evaluated
# Left alone, as all text is: the advice in an error. And zip's check of what is equal already.
SPARED = {"hint", "strict"}


class Mutant(NamedTuple):
    line: int
    before: str  # the line of ast.unparse that differs
    after: str
    source: str


def count(source: str) -> int:
    return len(list(_changes(ast.parse(source))))


def mutant(source: str, number: int) -> Mutant:
    """The module with its fault of this number, which counts from 0."""
    tree = ast.parse(source)
    plain = ast.unparse(tree)
    line, node, field, value = list(_changes(tree))[number]
    setattr(node, field, value)
    changed = ast.unparse(ast.fix_missing_locations(tree))
    pairs = zip(plain.splitlines(), changed.splitlines(), strict=False)
    before, after = next((a.strip(), b.strip()) for a, b in pairs if a != b)
    return Mutant(line, before, after, changed)


def _changes(tree: ast.AST) -> Iterator[tuple[int, ast.AST, str, object]]:
    """Line, node, the name of a field of it, and a wrong value for the field."""
    for node in _evaluated(tree):
        for field, value in _faults(node):
            yield getattr(node, "lineno", None) or node.iter.lineno, node, field, value
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            for i, one in enumerate(block if isinstance(block, list) else []):
                if isinstance(one, REMOVED) and not _is_docstring(one):
                    yield one.lineno, node, field, [*block[:i], ast.Pass(), *block[i + 1 :]]


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            spared = isinstance(child, ast.keyword) and child.arg in SPARED
            if isinstance(child, ast.AST) and field not in ANNOTATIONS and not spared:
                yield from _evaluated(child)


def _faults(node: ast.AST) -> Iterator[tuple[str, object]]:
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield "ops", [*ops[:i], SWAPPED[type(op)](), *ops[i + 1 :]]
        case ast.BoolOp(op=op) | ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPPED:
            yield "op", SWAPPED[type(op)]()
        case ast.UnaryOp(op=op, operand=operand):
            yield "operand", ast.UnaryOp(op, operand)
        case ast.Constant(value=bool(value)):
            yield "value", not value
        case ast.Constant(value=int(value) | float(value)):
            yield "value", value + 1
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield "value", ast.Constant(None)
        case ast.Call(keywords=keywords):
            for i, one in enumerate(keywords):
                if one.arg is not None and one.arg not in SPARED:
                    yield "keywords", [*keywords[:i], *keywords[i + 1 :]]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if _unlike(test):
            yield "test", ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[test]) if _unlike(test):
            yield "ifs", [ast.UnaryOp(ast.Not(), test)]


def _unlike(test: ast.expr) -> bool:
    """Whether to negate it gives another fault than those of its own node."""
    match test:
        case ast.UnaryOp(op=ast.Not()):
            return False
        case ast.Compare(ops=[op]):
            return not isinstance(op, OPPOSITE)
    return True


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
