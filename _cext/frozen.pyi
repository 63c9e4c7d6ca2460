"""Stub of the frozen values. Laws: frozen.pyx."""

from typing import Any, Self, TypeVar

F = TypeVar("F", bound="Frozen")

MAXIMUM_TLVS: int

class Frozen:
    """A value of a declared class. Made by keywords; `LocalMisuse` for what does not fit."""

    def __init__(self, **values: Any) -> None: ...
    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""

def rebuild(cls: type[F], values: dict[str, Any]) -> F: ...
def declare(cls: type) -> None:
    """Give a class its field program and its constructor; assert that each default that its declaration gives fits."""
