"""
Kinds of tokens: where each is found in a request, what it must hold, and the answers.

``KIND`` of a profile names one. A kind of one's own is a subclass of :class:`BaseKind`.
"""

from __future__ import annotations

from .base import BaseKind

__all__ = ["BaseKind"]
