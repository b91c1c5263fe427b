"""
The table of clauses: each requirement of the standards, and the tests that prove it.

    python -m tests.docs.clauses    writes docs/reference/clauses.md

A test names its clauses in its name (``test_c14_…``), in the ids of its parameters
(``"C9-list"``) or in its docstring (``"C6, C7: …"``).
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from .pages import ROOT

PAGE = ROOT / "docs" / "reference" / "clauses.md"
FOLDERS = ("tests/kinds", "tests/contrib")
KINDS = {
    "bearer": "Bearer tokens",
    "client_assertion": "Client assertions",
    "jwt_bearer_grant": "JWT bearer grants",
    "dpop": "DPoP proofs",
    "logout_token": "Logout tokens",
    "security_event": "Security events",
}
HEAD = """# Clauses

What the standards ask of a server that verifies each kind of token, a request that violates it,
the answer, and the tests in `tests/kinds/` that prove it. A clause without a test says why.

This page is made by `python -m tests.docs.clauses`.
"""
Test = ast.FunctionDef | ast.AsyncFunctionDef
ID = re.compile(r"\b[BCDGLS]\d{1,2}\b")


def clauses() -> dict[str, dict[str, dict[str, str]]]:
    """Return the rows by kind and id."""
    return tomllib.loads((Path(__file__).parent / "clauses.toml").read_text())


def proofs() -> dict[str, set[str]]:
    """Return the names of the tests by the ids that they name."""
    found: dict[str, set[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("test_*.py")):
            for name, ids in _named_in(ast.parse(path.read_text())):
                for one in ids:
                    found.setdefault(one, set()).add(f"{path.stem}.{name}")
    return found


def page() -> str:
    """Return the text of the page."""
    found, parts = proofs(), [HEAD]
    for kind, rows in clauses().items():
        parts.append(f"## {KINDS[kind]}\n")
        parts.append("| id | clause | requirement | violated by | answer | proof |")
        parts.append("|---|---|---|---|---|---|")
        for number, row in rows.items():
            named = sorted(found.get(number, ()))
            proof = ", ".join(f"`{name}`" for name in named) or row.get("reason", "")
            cells = [number, *(row[key] for key in list(row)[:4]), proof]
            parts.append(f"| {' | '.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def _named_in(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    values: dict[str, ast.expr] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            values[node.target.id] = node.value or node.target
        elif isinstance(node, Test) and node.name.startswith("test_"):
            yield node.name, _ids_of(node, values)


def _ids_of(
    test: ast.FunctionDef | ast.AsyncFunctionDef, values: dict[str, ast.expr]
) -> set[str]:
    ids = set(ID.findall(ast.get_docstring(test) or ""))
    ids |= {part.upper() for part in test.name.split("_") if ID.fullmatch(part.upper())}
    parts = [inner for decorator in test.decorator_list for inner in ast.walk(decorator)]
    for node in [*parts]:
        if isinstance(node, ast.Name) and node.id in values:
            parts.extend(ast.walk(values[node.id]))
    for node in parts:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            ids |= set(ID.findall(node.value.partition("-")[0]))
    return ids


if __name__ == "__main__":
    PAGE.write_text(page())
