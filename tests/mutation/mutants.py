"""The mutants of a module: changes of operators, constants, calls, conditions, SQL and Lua."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
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
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
LANGUAGES = re.compile(r"redis\.call|\b(SELECT|INSERT|UPDATE|DELETE|WHERE|CASE)\b")
EDITS = (
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![<>=-])<(?![=>])", "<="),
    (r"(?<![<>=-])>(?![=>])", ">="),
    (r"~=", "=="),
    (r"\+ 1\b", "+ 0"),
    (r"\bAND\b", "OR"),
    (r"\bNOT ", ""),
    (r"'NX'", "'XX'"),
    (r", 'KEEPTTL'", ""),
    (r" SKIP LOCKED", ""),
)
"""What is changed in SQL and Lua: a pattern, and what takes the place of each match."""


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a file."""

    path: Path
    line: int
    start: int
    end: int
    before: str
    after: str

    def applied(self, source: bytes) -> bytes:
        """Return the source with the change in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]

    def __str__(self) -> str:
        one_line = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}: {' -> '.join(one_line)}"


def mutants_of(path: Path, root: Path) -> Iterator[Mutant]:
    """Yield each mutant of a module."""
    source = (root / path).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node, after in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        before = source[start:end].decode()
        if after != before:
            yield Mutant(path, node.lineno, start, end, before, after)
    yield from _edits(path, source, starts)


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    skipped = _skipped(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.expr):
            for changed in _changed_expressions(node):
                yield node, f"({ast.unparse(changed)})"
        elif isinstance(node, ast.stmt):
            for text in _changed_statements(node):
                yield node, text


def _skipped(tree: ast.Module) -> set[ast.AST]:
    # What is annotated runs nowhere, and parts of f-strings have no place of their own.
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.JoinedStr):
            parts = [node]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            parts = [node]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "0":
            parts = [node.slice]  # The only one is the last one, too.
        for part in filter(None, parts):
            found.update(ast.walk(part))
    return found


def _changed_expressions(node: ast.expr) -> Iterator[ast.expr]:
    changed = copy.deepcopy(node)
    match changed:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            changed.ops = [COMPARISONS[type(operator)]()]
            yield changed
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            changed.op = OPERATORS[type(operator)]()
            yield changed
        case ast.BoolOp(values=values):
            for left_out in range(len(values)):
                kept = [value for at, value in enumerate(values) if at != left_out]
                yield kept[0] if len(kept) == 1 else ast.BoolOp(changed.op, kept)
        case ast.UnaryOp(op=ast.Not()):
            yield changed.operand
        case ast.IfExp():
            yield changed.body
            yield changed.orelse
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Call(func=ast.Name("max" | "min")):
            return  # The order of their arguments means nothing.
        case ast.Call(args=[first, second, *rest]) if not isinstance(
            first, ast.Starred
        ) and ast.dump(first) != ast.dump(second):
            changed.args = [second, first, *rest]
            yield changed


def _changed_statements(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await() | ast.YieldFrom()):
            yield "pass"
        case ast.Raise() | ast.AugAssign():
            yield "pass"
        case ast.Return(value=ast.Constant(value=None | False)):
            return  # They are asked for their truth alone.
        case ast.Return(value=ast.expr()):
            yield "return None"
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"


def _edits(path: Path, source: bytes, starts: list[int]) -> Iterator[Mutant]:
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        text = source[start:end].decode()
        if not LANGUAGES.search(text) or "``" in text:
            continue
        for pattern, after in EDITS:
            for match in re.finditer(pattern, text):
                at = start + len(text[: match.start()].encode())
                line = node.lineno + text[: match.start()].count("\n")
                yield Mutant(path, line, at, at + len(match[0].encode()), match[0], after)
