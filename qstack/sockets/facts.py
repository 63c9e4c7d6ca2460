"""What is known of a unit without asking: the part that all forms of the API share."""

from qstack.base.ids import Qna, format_qna
from qstack.sockets.client import UnitView
from qstack.sockets.values import UnitKind

__all__ = ["UnitFacts"]


class UnitFacts:
    """A service unit."""

    def __init__(self, view: UnitView) -> None:
        self._view = view

    def __repr__(self) -> str:
        what = "key bits" if self.kind is UnitKind.KEY else "pairs"
        return f"<Unit of {self.size} {what} with {format_qna(self.remote)}>"

    @property
    def urns(self) -> tuple[str, ...]:
        """Its identifier: the endpoints and the lifecycle."""
        return self._view.urns

    @property
    def kind(self) -> UnitKind:
        """What is shared."""
        return UnitKind(self._view.kind)

    @property
    def size(self) -> int:
        """Bits of the key, or number of pairs."""
        return self._view.size

    @property
    def remote(self) -> Qna:
        """Node of the other endpoint."""
        return self._view.remote

    @property
    def opener(self) -> bool:
        """Whether it was opened here."""
        return self._view.opener
