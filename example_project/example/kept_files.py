"""Secrets that are made when first asked for, and kept in the run directory."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file, the same one in the server and in the commands."""
    if not path.exists():
        # The file appears at once and whole, and the first of two processes that make one wins.
        with NamedTemporaryFile(dir=path.parent) as file, suppress(FileExistsError):
            file.write(make())
            file.flush()
            os.link(file.name, path)
    return path.read_bytes()
