"""What applications ask: endpoints to be served, units to be opened, pairs to be measured. Refusals change nothing."""

from collections.abc import Sequence

from qstack.base.bell import PAULI_BASES, Basis
from qstack.base.effects import TellClient
from qstack.base.errors import ErrorCode, LocalMisuse, QstackError, ResourceLimit, WireError
from qstack.base.ids import Qna
from qstack.base.services import Routes
from qstack.base.time import DomainTime
from qstack.base.units import MILLISECOND_NS
from qstack.proto.unit.admission import Admission
from qstack.proto.unit.end import Asked, Ending, Surroundings, UnitEnd
from qstack.proto.unit.head import HeadUnit
from qstack.proto.unit.key import rounds_needed
from qstack.proto.unit.ledger import Ledger
from qstack.proto.unit.measuring import Measuring
from qstack.proto.unit.params import MAXIMUM_ROUNDS
from qstack.proto.unit.states import HeadEvent, HeadState, TailEvent
from qstack.wire.control import (
    Accepted,
    ClaimEndpoint,
    CloseUnit,
    MeasurePairs,
    OpenUnit,
    Refused,
    ReleasePairs,
    UnitStarted,
)
from qstack.wire.unit import UnitKind, UnitRequest
from qstack.wire.urn import UnitIdentifier, parse_unit
from qstack.wire.value import Message

__all__ = ["Opening"]

_TEXT_LIMIT = 500  # of Refused


class Opening:
    """The applications' side of a node's units."""

    def __init__(
        self, ledger: Ledger, admission: Admission, measuring: Measuring, routes: Routes, around: Surroundings
    ) -> None:
        self._ledger = ledger
        self._admission = admission
        self._measuring = measuring
        self._routes = routes
        self._around = around

    def serve(self, message: Message, client: int, user: int) -> None:
        """Do what an application asks, or tell it why not."""
        try:
            self._serve(message, client, user)
        except QstackError as error:
            reason = getattr(error, "reason", None)
            code = reason if isinstance(reason, ErrorCode) else ErrorCode.MALFORMED
            text = "".join(c if " " <= c <= "~" else "?" for c in str(error))[:_TEXT_LIMIT]
            refusal = Refused(request=getattr(message, "request", 0), reason=code, text=text)
            self._ledger.effects.append(TellClient(client, refusal))

    def _serve(self, message: Message, client: int, user: int) -> None:
        match message:
            case ClaimEndpoint():
                self._admission.claim(message.urn, client, user)
                accepted = Accepted(request=message.request, node=self._ledger.own)
                self._ledger.effects.append(TellClient(client, accepted))
            case OpenUnit():
                self._open(message, client, user)
            case CloseUnit():
                unit = self._unit_of(client, message.unit)
                self._ledger.fire(unit, HeadEvent.CANCELLED, TailEvent.CANCELLED, Ending(ErrorCode.CANCELLED))
            case MeasurePairs():
                unit = self._unit_of(client, message.unit)
                self._measuring.for_application(unit, _take_pairs(message, unit), message.request)
            case ReleasePairs():
                unit = self._unit_of(client, message.unit)
                for held in [unit.held.pop(pair) for pair in message.pairs if pair in unit.held]:
                    unit.discard(held)
            case _:
                raise LocalMisuse(f"{message.NAME} is not for applications to send", ErrorCode.UNKNOWN_MESSAGE)

    def _unit_of(self, client: int, handle: int) -> UnitEnd:
        for unit in self._ledger:
            if unit.handle == handle and unit.client == client:
                return unit
        raise LocalMisuse(f"unit {handle:x} is not open here; it may have ended")

    # --- opening a unit ----------------------------------------------------------------------------------------------

    def _open(self, message: OpenUnit, client: int, user: int) -> None:
        identifier = self._read_identifier(message.urn)
        remote = self._remote_of(identifier, user)
        self._check_new(identifier, remote, user)
        request = self._request_for(message, identifier)
        unit = HeadUnit(
            HeadState.REQUESTED, self._ledger.handle(), self._ledger.own, remote, client, user, identifier, request,
            self._around,
        )  # fmt: skip
        self._ledger.enter(unit)
        unit.tell(UnitStarted(request=message.request, unit=unit.handle, kind=message.kind, remote=remote,
                              urn=identifier.texts))  # fmt: skip
        unit.send(request)

    def _read_identifier(self, urns: Sequence[str]) -> UnitIdentifier:
        try:
            return parse_unit(urns, nid=self._ledger.parameters.lifecycle_nid)
        except WireError as error:
            raise LocalMisuse(f"unit: {error}", ErrorCode.MALFORMED) from error

    def _remote_of(self, identifier: UnitIdentifier, user: int) -> Qna:
        """The node of the other endpoint, after checking that this user may speak for the one served here."""
        if len(identifier.endpoints) > 2:
            raise LocalMisuse(f"{len(identifier.endpoints)} endpoints: this version establishes units of two")
        served = {urn.canonical_with_q: self._routes.destination_of(urn.canonical) for urn in identifier.endpoints}
        local = [urn for urn in identifier.endpoints if served[urn.canonical_with_q] == self._ledger.own]
        remote = [urn for urn in identifier.endpoints if urn not in local]
        if len(local) != 1 or len(remote) != 1:
            raise LocalMisuse(f"{len(local)} of the endpoints are served by this node, exactly one must be; "
                              "[[route]] prefix and node of the configuration say who serves what")  # fmt: skip
        self._admission.check_user(local[0], user)
        node = served[remote[0].canonical_with_q]
        if node is None:
            raise LocalMisuse(f"no route to {remote[0].canonical}: no announced prefix covers it", ErrorCode.NO_ROUTE)
        return node

    def _check_new(self, identifier: UnitIdentifier, remote: Qna, user: int) -> None:
        parameters = self._ledger.parameters
        if self._ledger.has(identifier, remote):
            raise LocalMisuse("this unit is being established already; change a nonce to open another")
        if sum(1 for unit in self._ledger if unit.IS_HEAD and unit.user == user) >= parameters.units_per_user:
            raise ResourceLimit(f"user id {user} has {parameters.units_per_user} units open, which is the limit")
        if len(self._ledger) >= parameters.units:
            raise ResourceLimit(f"this node has {parameters.units} units open, which is the limit")

    def _request_for(self, message: OpenUnit, identifier: UnitIdentifier) -> UnitRequest:
        if message.kind not in (UnitKind.KEY, UnitKind.PAIRS):
            raise LocalMisuse(f"kind {message.kind}: there are 1 (key) and 2 (pairs)")
        ledger, size = self._ledger, identifier.lifecycle.size or 1
        deadline = self._deadline(message.timeout_ms, identifier)
        is_key = message.kind == UnitKind.KEY
        tests = ledger.parameters.tests_one_in if is_key else 0
        pairs = rounds_needed(size, tests) if is_key else size
        if is_key and pairs > MAXIMUM_ROUNDS:
            raise LocalMisuse(f"size={size}: a key unit takes {pairs} rounds, the limit is {MAXIMUM_ROUNDS}; "
                              "open several units", ErrorCode.TOO_BIG)  # fmt: skip
        return UnitRequest(
            request=ledger.count() & 0xFFFF_FFFF, kind=message.kind, tests=tests, pairs=pairs,
            min_fidelity=message.min_fidelity, deadline=deadline, nonce=ledger.nonce(), urn=identifier.texts,
        )  # fmt: skip

    def _deadline(self, timeout_ms: int, identifier: UnitIdentifier) -> DomainTime:
        """After `timeout_ms`, or earlier. Raises `LocalMisuse` when it has passed."""
        ledger = self._ledger
        deadline = ledger.until(ledger.domain(ledger.now_ns + timeout_ms * MILLISECOND_NS), identifier)
        if deadline <= ledger.domain(ledger.now_ns):
            raise LocalMisuse(f"{identifier.lifecycle.urn}: valid-until has passed", ErrorCode.EXPIRED)
        return deadline


def _take_pairs(message: MeasurePairs, unit: UnitEnd) -> list[Asked]:
    """The pairs to be measured, taken from those that are held: all of them or, raising `LocalMisuse`, none."""
    missing = [item.pair for item in message.pairs if item.pair not in unit.held]
    if missing or len({item.pair for item in message.pairs}) != len(message.pairs):
        raise LocalMisuse(f"pairs {missing or 'twice in one request'}: not held by this end, nothing was measured")
    unknown = [item.basis for item in message.pairs if item.basis not in PAULI_BASES]
    if unknown:
        raise LocalMisuse(f"basis {unknown[0]}: there are 0 (Z), 1 (X) and 2 (Y)")
    return [Asked(unit.held.pop(item.pair), Basis(item.basis)) for item in message.pairs]
