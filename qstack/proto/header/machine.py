"""Echo and error: asking whether a node is there, answering, and telling why a datagram went no further.

Laws: nothing answers an error; what was not sealed is answered by nothing; answers and errors to one node are limited,
so no answer can be more than its question. Echo travels under the end seal and therefore proves the whole way:
forwarding, both end sessions, and the far daemon. HEADER-6.1, HEADER-6.2.
"""

from dataclasses import dataclass
from typing import Any

from qstack.base.effects import Count, Seal, Sender, SendMessage
from qstack.base.errors import ErrorCode, PeerViolation, ResourceLimit
from qstack.base.events import EchoAnswered, EchoFailed
from qstack.base.ids import Qna, format_qna
from qstack.base.services import PeerDoubted, PeerDown, PeerUnresolved
from qstack.base.time import Instant
from qstack.machine.bucket import KeyedBuckets, TokenBucket
from qstack.machine.timers import Timers
from qstack.proto.header.params import HeaderParameters
from qstack.wire.header import EchoReply, EchoRequest, ErrorReport
from qstack.wire.protocols import Protocol
from qstack.wire.value import Message

__all__ = ["HeaderMachine"]

_Key = tuple[int, int]  # (identifier, sequence)
_SOURCES = 4_096  # nodes whose limits are remembered
_AT_ONCE = 10  # nodes that begin to be told errors, in the time in which one of them may be told as many


@dataclass(frozen=True, slots=True)
class _Asked:
    node: Qna
    asked_ns: Instant


class HeaderMachine:
    """Echo and error of the node `own`."""

    def __init__(self, own: Qna, parameters: HeaderParameters) -> None:
        self.own = own
        self.parameters = parameters
        self._asked: dict[_Key, _Asked] = {}
        self._timers: Timers[_Key] = Timers()
        self._replies: KeyedBuckets[Qna] = KeyedBuckets(parameters.replies_per_second, parameters.reply_burst, _SOURCES)
        strangers = TokenBucket(_AT_ONCE * parameters.errors_per_second, _AT_ONCE * parameters.error_burst)
        self._errors: KeyedBuckets[Qna] = KeyedBuckets(
            parameters.errors_per_second, parameters.error_burst, _SOURCES, strangers
        )  # fmt: skip
        self._effects: list[Any] = []

    def ask(self, node: Qna, identifier: int, sequence: int, data: bytes, now_ns: Instant) -> None:
        """Send an echo request; `EchoAnswered` or `EchoFailed` follows. Raises `ResourceLimit`."""
        if len(self._asked) >= self.parameters.echoes:
            raise ResourceLimit(f"{len(self._asked)} echo requests are outstanding")
        key = (identifier, sequence)
        self._asked[key] = _Asked(node, now_ns)
        self._timers.set(key, now_ns + self.parameters.echo_timeout_ns)
        request = EchoRequest(identifier=identifier, sequence=sequence, data=data)
        self._effects.append(SendMessage(node, request, Seal.END))

    def receive(self, message: Message, sender: Sender, now_ns: Instant) -> None:
        """An echo request or reply (END), or an error (either seal)."""
        match message:
            case ErrorReport():
                self._take_error(message, now_ns)
            case EchoRequest() if sender.seal is Seal.END:
                self._reply(message, sender.qna, now_ns)
            case EchoReply() if sender.seal is Seal.END:
                self._take_reply(message, sender.qna, now_ns)
            case _:
                raise PeerViolation(f"{message.NAME} came without the end seal")

    def report(self, error: ErrorReport, to: Qna, now_ns: Instant) -> None:
        """Tell `to` why its datagram went no further, as far as the limit allows."""
        if self._errors.take(to, now_ns):
            self._effects.append(SendMessage(to, error, Seal.HOP))
        else:
            self.suppress()

    def suppress(self) -> None:
        """An error is not told."""
        self._effects.append(Count("header.errors_suppressed"))

    def on_service(self, service: Any, now_ns: Instant) -> None:
        """PeerUnresolved, PeerDown (END): echoes to that node have failed."""
        match service:
            case PeerUnresolved():
                self._fail_all(service.peer, ErrorCode.UNREACHABLE, "nobody answers for it")
            case PeerDown(seal=Seal.END):
                self._fail_all(service.peer, ErrorCode.UNREACHABLE, service.reason)

    def handle_deadline(self, now_ns: Instant) -> None:
        """Echo requests whose time is over."""
        for key in self._timers.pop_due(now_ns):
            self._fail(key, ErrorCode.TIMEOUT, Qna(0), "no answer in time")

    def next_deadline(self) -> Instant | None:
        """When `handle_deadline` wants to be called."""
        deadline = self._timers.next_deadline()
        return None if deadline is None else Instant(deadline)

    def take_effects(self) -> list[Any]:
        """What is to be done."""
        taken, self._effects[:] = list(self._effects), []
        return taken

    def _reply(self, request: EchoRequest, asker: Qna, now_ns: Instant) -> None:
        if not self._replies.take(asker, now_ns):
            self._effects.append(Count("header.echoes_suppressed"))
            return
        reply = EchoReply(identifier=request.identifier, sequence=request.sequence, data=request.data)
        self._effects.append(SendMessage(asker, reply, Seal.END))

    def _take_reply(self, reply: EchoReply, node: Qna, now_ns: Instant) -> None:
        key = (reply.identifier, reply.sequence)
        asked = self._asked.get(key)
        if asked is None or asked.node != node:
            self._effects.append(Count("header.stray_replies"))
            return
        self._forget(key)
        self._effects.append(EchoAnswered(*key, node, now_ns - asked.asked_ns))

    def _take_error(self, error: ErrorReport, now_ns: Instant) -> None:
        self._effects.append(Count("header.errors_received"))
        reason = error.reason if isinstance(error.reason, ErrorCode) else ErrorCode.UNSPECIFIED
        if reason is ErrorCode.SESSION_LOST and error.protocol == Protocol.END:
            self._effects.append(PeerDoubted(error.destination))  # SESSION-6.3-4
        for key in [key for key, asked in self._asked.items() if asked.node == error.destination]:
            self._fail(key, reason, error.reporter, error.text or f"reported by {format_qna(error.reporter)}")

    def _fail_all(self, node: Qna, reason: ErrorCode, text: str) -> None:
        for key in [key for key, asked in self._asked.items() if asked.node == node]:
            self._fail(key, reason, self.own, text)

    def _fail(self, key: _Key, reason: ErrorCode, reporter: Qna, text: str) -> None:
        asked = self._asked[key]
        self._forget(key)
        self._effects.append(EchoFailed(*key, asked.node, reason, reporter, text))

    def _forget(self, key: _Key) -> None:
        del self._asked[key]
        self._timers.cancel(key)
