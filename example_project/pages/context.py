"""What the templates of all pages know."""

from typing import Any

from django.http import HttpRequest

from .stories import STORIES


def stories(request: HttpRequest) -> dict[str, Any]:
    """Give the kinds for the navigation."""
    return {"stories": STORIES}
