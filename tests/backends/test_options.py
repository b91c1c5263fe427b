"""The options of a backend are declared once, and the docs list them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from jti_replay.backends.database.options import DatabaseOptions
from jti_replay.backends.options import Options
from jti_replay.backends.redis.options import RedisOptions

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.mark.parametrize("options", [DatabaseOptions, RedisOptions])
def test_the_docs_list_each_option_with_its_default(options: type[Options]) -> None:
    """The table of a backend's OPTIONS names what the backend reads."""
    heading = f"OPTIONS of {options.__name__.removesuffix('Options')}Cache"
    section = PAGE.read_text().split(heading)[1].split("\n### ")[0]
    rows = {
        cells[1].strip(" `"): cells[3].strip(" `")
        for line in section.splitlines()
        if len(cells := line.split("|")) > 4 and "`" in cells[1]
    }
    written = {None: "none"}
    assert rows == {
        field.name: written.get(field.default, repr(field.default).replace("'", '"'))
        for field in fields(options)
    }


def test_a_value_of_a_wrong_type_is_named() -> None:
    """A bool is asked for where a bool is declared, and seconds where a float is."""
    wrong = DatabaseOptions.of({"join": 1, "timeout": "2", "purge": False, "unknown": 1})
    assert [(each.id, each.msg.split()[0]) for each in wrong.check("default")] == [
        ("jti_replay.E001", "join"),
        ("jti_replay.E001", "timeout"),
    ]
    assert DatabaseOptions.of({"timeout": -1}).check("default")[0].id == "jti_replay.E007"
    assert DatabaseOptions.of({"join": False, "timeout": 0}).check("default") == []
