"""The example of docs/how-to/without-a-view.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .answers import assert_invalid
from .doors import knock
from .tokens import signed

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "without-a-view.md"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def settle() -> Callable[..., str]:
    """The task of the page."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["settle"]  # type: ignore[no-any-return]


def test_the_documented_task_pays_once(settle: Callable[..., str]) -> None:
    paid: list[str] = []
    token = signed(sub="shop")
    assert settle(token, paid.append) == "paid"
    assert settle(token, paid.append) == "refused: it has been used"
    assert settle(signed(exp=1), paid.append) == "refused: The token has expired."
    assert paid == ["shop"]


def test_a_task_that_fails_can_be_tried_again(settle: Callable[..., str]) -> None:
    token, paid = signed(sub="shop"), []

    def fail(shop: str) -> None:
        raise OSError("the bank is closed")

    with pytest.raises(OSError, match="bank"):
        settle(token, fail)
    assert settle(token, paid.append) == "paid"


def test_it_shares_its_jtis_with_the_decorator(settle: Callable[..., str]) -> None:
    token = signed(sub="shop")
    assert settle(token, lambda shop: None) == "paid"
    assert_invalid(knock(token), "The token has already been used.")
