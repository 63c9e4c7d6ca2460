"""From an operator's line to the lines that answer it.

Every line is answered by at least one, and the last one says so (`Reply.more`). A request that is refused, for whatever
reason, has changed nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

import trio

from qstack.base.errors import ErrorCode, LocalMisuse, QstackError
from qstack.base.ids import format_qna, parse_qna
from qstack.control.condition import Condition, parse_condition
from qstack.control.replies import DoneReply, EchoReply, ErrorReply, PingReply, Reply, WaitReply, encode_reply
from qstack.control.requests import (
    AnyRequest,
    Circuits,
    Counters,
    Links,
    Memories,
    Neighbours,
    Ping,
    Reload,
    Sessions,
    Status,
    Stop,
    Units,
    Wait,
    decode_request_untrusted,
)  # fmt: skip
from qstack.control.service import ControlService

__all__ = ["answers"]

_LOOK_AGAIN_S = 0.1  # while waiting, should a change have gone untold

_LOOKS: dict[type, Callable[[ControlService], Reply]] = {
    Status: lambda service: service.status(),
    Neighbours: lambda service: service.neighbours(),
    Sessions: lambda service: service.sessions(),
    Links: lambda service: service.links(),
    Memories: lambda service: service.memories(),
    Circuits: lambda service: service.circuits(),
    Units: lambda service: service.units(),
    Counters: lambda service: service.counters(),
}


async def answers(line: bytes, user: int, service: ControlService) -> AsyncGenerator[bytes, None]:
    """The lines, without newlines, that answer `line` of user id `user`. To be closed when it is left early."""
    try:
        request = decode_request_untrusted(line)
        if request.ADMIN and not service.is_admin(user):
            raise LocalMisuse(f"user id {user} may only look: ask root, or see [control] admins", ErrorCode.POLICY)
        async for reply in _replies(request, service):
            yield encode_reply(reply)
    except QstackError as error:
        reason = getattr(error, "reason", error.code)
        name = reason.name if isinstance(reason, ErrorCode) else error.code.name
        yield encode_reply(ErrorReply(reason=name, text=str(error)))


async def _replies(request: AnyRequest, service: ControlService) -> AsyncIterator[Reply]:
    match request:
        case Ping():
            async for reply in _ping(request, service):
                yield reply
        case Wait():
            yield await _wait(request, service)
        case Reload():
            refused = service.reload()
            if refused:
                raise LocalMisuse(refused)
            yield DoneReply(text="the configuration is in force")
        case Stop():
            yield DoneReply(text="stopping")
            service.stop("asked by an operator")
        case _:
            yield _LOOKS[type(request)](service)


async def _ping(request: Ping, service: ControlService) -> AsyncIterator[Reply]:
    node = parse_qna(request.node)
    times: list[int] = []
    for sequence in range(request.count):
        next_s = trio.current_time() + request.interval_ms / 1000
        reply: EchoReply = await service.echo(node, sequence, request.octets, request.timeout_ms / 1000)
        if reply.round_trip_ns is not None:
            times.append(reply.round_trip_ns)
        yield reply
        if sequence + 1 < request.count:
            await trio.sleep_until(next_s)
    known = times or [0]
    yield PingReply(node=format_qna(node), sent=request.count, answered=len(times), minimum_ns=min(known),
                    mean_ns=sum(known) // len(known), maximum_ns=max(known))  # fmt: skip


async def _wait(request: Wait, service: ControlService) -> WaitReply:
    conditions = [parse_condition(text) for text in request.conditions]
    began_s = trio.current_time()
    with trio.move_on_at(began_s + request.timeout_ms / 1000):
        while _missing(conditions, service):
            with trio.move_on_after(_LOOK_AGAIN_S):
                await service.changed()
    missing = tuple(each.text for each in _missing(conditions, service))
    return WaitReply(missing=missing, waited_s=round(trio.current_time() - began_s, 6))


def _missing(conditions: list[Condition], service: ControlService) -> list[Condition]:
    return [condition for condition in conditions if not condition.holds(service)]
