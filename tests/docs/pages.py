"""The pages of the docs, and the blocks of code in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if not page.is_symlink()
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# ([\w/]+)\.py$", re.MULTILINE)


class Block(NamedTuple):
    """A block of code, and the file that its first line names."""

    language: str
    code: str

    @property
    def file(self) -> str:
        """The path of the file, without ``.py``, or ""."""
        named = NAME.match(self.code)
        return named[1] if named else ""


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def all_blocks(name: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(text_of(name))]


def blocks_of(name: str, beginning: str) -> list[str]:
    return [block.code for block in all_blocks(name) if block.code.startswith(beginning)]
