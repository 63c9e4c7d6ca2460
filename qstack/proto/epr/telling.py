"""What applications are told of pairs: all pairs of a turn for one request in as few messages as they fit."""

from typing import Any

from qstack.base.effects import TellClient
from qstack.proto.epr.socket import EprSocket
from qstack.wire.control import MAXIMUM_PAIRS, EprOutcome, EprOutcomes, EprPair, EprPairs

__all__ = ["Telling"]

_Key = tuple[int, int, int, int, bool]  # socket, connection, request, kind, whether the halves are kept


class Telling:
    """Gathers pairs; whatever else is told to an application is told after those that came before it."""

    def __init__(self, effects: list[Any]) -> None:
        self._effects = effects
        self._gathered: dict[_Key, tuple[int, list[Any]]] = {}

    def tell(self, client: int, message: Any) -> None:
        """Anything else."""
        self.flush()
        self._effects.append(TellClient(client, message))

    def pair(self, socket: EprSocket, request: int, kind: int, pair: EprPair) -> None:
        """A half that is kept."""
        self._gather(socket, request, kind, pair, kept=True)

    def outcome(self, socket: EprSocket, request: int, kind: int, outcome: EprOutcome) -> None:
        """A half that was measured."""
        self._gather(socket, request, kind, outcome, kept=False)

    def flush(self) -> None:
        """Tell what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for (socket, connection, request, kind, kept), (client, items) in gathered.items():
            for start in range(0, len(items), MAXIMUM_PAIRS):
                part = tuple(items[start : start + MAXIMUM_PAIRS])
                message: EprPairs | EprOutcomes = (
                    EprPairs(socket=socket, connection=connection, request=request, kind=kind, pairs=part) if kept else
                    EprOutcomes(socket=socket, connection=connection, request=request, kind=kind, outcomes=part)
                )  # fmt: skip
                self._effects.append(TellClient(client, message))

    def _gather(self, socket: EprSocket, request: int, kind: int, item: Any, *, kept: bool) -> None:
        key = (socket.life, socket.connection, request, kind, kept)
        self._gathered.setdefault(key, (socket.client, []))[1].append(item)
