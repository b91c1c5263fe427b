"""A TCP proxy that can lead new connections elsewhere, while those that are open stay."""

from __future__ import annotations

from .proxy import Proxy


class Switch(Proxy):
    """A proxy as a load balancer is one: what changes its target closes no connection."""

    def __init__(self, port: int) -> None:
        super().__init__(port, lambda request: None)

    @property
    def target(self) -> int:
        """The port of loopback to which new connections lead."""
        return self._target

    @target.setter
    def target(self, port: int) -> None:
        self._target = port
