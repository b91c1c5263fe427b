"""A mutant in a process that has imported its module: new code for the same functions."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from inspect import CO_NEWLOCALS, CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any


def swap(path: Path, mutated: bytes) -> bool:
    """
    Give the functions of a module the code of a mutated source. Return whether it could be
    done: it cannot where a module or a class is made, which has happened already.
    """
    try:
        pairs = list(_pairs(_compiled(path.read_bytes(), path), _compiled(mutated, path)))
    except ValueError:
        return False  # The mutant has other functions.
    changed = {old: new for old, new in pairs if old != new}
    if any(_own(old) != _own(new) and not _is_function(old) for old, new in pairs):
        return False
    functions = [made for made in gc.get_objects() if type(made) is FunctionType]
    for function in functions:
        code = function.__code__
        if code.co_filename == str(path) and code in changed:
            try:
                function.__code__ = changed[code]
            except ValueError:
                return False  # It uses other variables of the function around it.
    return True


def _compiled(source: bytes, path: Path) -> CodeType:
    return compile(source, str(path), "exec", dont_inherit=True)


def _pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    yield old, new
    for one, other in zip(_codes_in(old), _codes_in(new), strict=True):
        if one.co_name != other.co_name:
            raise ValueError("not the same function")
        yield from _pairs(one, other)


def _codes_in(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _own(code: CodeType) -> Any:
    """Return what a code does, without the functions that it makes and the lines' numbers."""
    constants = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & CO_NEWLOCALS and code.co_flags & CO_OPTIMIZED)
