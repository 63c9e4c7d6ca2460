"""What operators ask: one JSON object a line, told apart by its key `request`.

    {"request": "status"}
    {"request": "ping", "node": "64513.2", "count": 3}

Whoever may open the socket may look, wait and ping. What changes the daemon (`ADMIN`) is for root, the daemon's own
user and the users of `[control] admins`.
"""

from typing import Annotated, ClassVar, dataclass_transform

import msgspec
from msgspec import Meta, Struct

from qstack.base.errors import ErrorCode, LocalMisuse

__all__ = ["AnyRequest", "Circuits", "Counters", "Links", "Memories", "Neighbours", "Ping", "Reload", "Request",
           "Sessions", "Status", "Stop", "Units", "Wait", "decode_request_untrusted", "encode_request"]  # fmt: skip

MAXIMUM_WAIT_MS = 3_600_000


@dataclass_transform(frozen_default=True)
class Request(Struct, frozen=True, forbid_unknown_fields=True, tag_field="request", tag=str.lower):
    """Any request."""

    ADMIN: ClassVar[bool] = False


class Status(Request):
    """How the daemon is. Answered by `StatusReply`."""


class Neighbours(Request):
    """Whom it speaks with directly. Answered by `NeighboursReply`."""


class Sessions(Request):
    """Key establishment with neighbours and with far ends. Answered by `SessionsReply`."""


class Links(Request):
    """Its quantum links, and those that it heralds for. Answered by `LinksReply`."""


class Memories(Request):
    """Memories of its links, and who holds their qubits. Answered by `MemoriesReply`."""


class Circuits(Request):
    """Circuits through it. Answered by `CircuitsReply`."""


class Units(Request):
    """Service units that end here, and endpoints that are served. Answered by `UnitsReply`."""


class Counters(Request):
    """All counters. Answered by `CountersReply`."""


class Ping(Request):
    """Send echo requests to a node, one by one. Each is answered by an `EchoReply`, then comes a `PingReply`."""

    node: str
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 4
    interval_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1_000
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 5_000
    octets: Annotated[int, Meta(ge=0, le=1_000)] = 16


class Wait(Request):
    """Wait until all conditions hold (`qstack.control.condition`). Answered by a `WaitReply`, at the latest in time."""

    conditions: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)]
    timeout_ms: Annotated[int, Meta(ge=0, le=MAXIMUM_WAIT_MS)] = 10_000


class Reload(Request):
    """Read the configuration again, all or nothing. Answered by a `DoneReply`."""

    ADMIN = True


class Stop(Request):
    """End the daemon. Answered by a `DoneReply` before it ends."""

    ADMIN = True


AnyRequest = (
    Status | Neighbours | Sessions | Links | Memories | Circuits | Units | Counters | Ping | Wait | Reload | Stop
)

_DECODER: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
_ENCODER = msgspec.json.Encoder()


def encode_request(request: Request) -> bytes:
    """A line without its newline."""
    return _ENCODER.encode(request)


def decode_request_untrusted(line: bytes) -> AnyRequest:
    """A request from a line. Raises `LocalMisuse` that says where the line is wrong."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:  # the latter for what is nested too deeply
        text = str(error).replace("`", "")
        raise LocalMisuse(f"request not understood: {text}", ErrorCode.MALFORMED) from error
