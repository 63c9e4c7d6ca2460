"""An operator's look into the twin: the true state of a pair, which no protocol ever sees (TWIN-5.8-2). Blocking."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from qstack.base.errors import LocalMisuse, ResourceLimit
from qstack.base.ids import Qna, QubitId, format_qna
from qstack.wire.protocols import Protocol
from qstack.wire.twin import InspectPair, PairInspected, Refused
from qstack.wire.value import decode_message_untrusted

__all__ = ["TwinOperator"]

_MAXIMUM_MESSAGE = 1 << 16
_TIMEOUT_S = 5.0


class TwinOperator:
    """A connection to the operator's socket of `qtwind`. Raises `LocalMisuse` when nobody listens there."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.settimeout(_TIMEOUT_S)
        self._requests = 0
        try:
            self._sock.connect(str(path))
        except OSError as error:
            self._sock.close()
            raise LocalMisuse(f"{path}: {error.strerror}; is qtwind running, with [listen] operator set?") from error

    def inspect(self, node: Qna, qubit: QubitId) -> PairInspected:
        """The pair of which `qubit` of `node` holds a half, as it is now. Raises `LocalMisuse` for an empty memory."""
        self._requests += 1
        self._sock.send(InspectPair(request_id=self._requests, node=node, qubit=qubit).encode())
        try:
            answer = decode_message_untrusted(Protocol.TWIN, self._sock.recv(_MAXIMUM_MESSAGE))
        except TimeoutError as error:
            raise ResourceLimit("the twin does not answer") from error
        if isinstance(answer, PairInspected):
            return answer
        status = answer.status if isinstance(answer, Refused) else answer.NAME
        raise LocalMisuse(f"memory {qubit} of {format_qna(node)}: {status!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()
