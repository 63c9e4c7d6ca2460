"""What the node of another endpoint asks: whether to share a unit with it."""

from qstack.base.effects import Count, Seal, SendMessage
from qstack.base.errors import ErrorCode, PeerViolation, WireError
from qstack.base.ids import Qna, format_qna
from qstack.base.services import Routes
from qstack.proto.unit.admission import Admission, Claim
from qstack.proto.unit.end import Surroundings, unit_context
from qstack.proto.unit.ledger import Ledger
from qstack.proto.unit.params import MAXIMUM_ROUNDS
from qstack.proto.unit.states import TailState
from qstack.proto.unit.tail import TailUnit
from qstack.wire.control import UnitStarted
from qstack.wire.unit import UnitAccept, UnitKind, UnitRefuse, UnitRequest
from qstack.wire.urn import UnitIdentifier, Urn, parse_unit, parse_urn

__all__ = ["Answering"]


class Answering:
    """The peers' side of a node's units."""

    def __init__(self, ledger: Ledger, admission: Admission, routes: Routes, around: Surroundings) -> None:
        self._ledger = ledger
        self._admission = admission
        self._routes = routes
        self._around = around
        self._speaks_for: dict[Qna, tuple[str, ...]] = {}  # URN prefixes in the certificates of live far ends

    def peer_up(self, peer: Qna, urn_prefixes: tuple[str, ...]) -> None:
        """A far end is proved; its certificate names these prefixes."""
        self._speaks_for[peer] = urn_prefixes

    def peer_down(self, peer: Qna) -> bool:
        """It is proved no more; tell whether it was."""
        return self._speaks_for.pop(peer, None) is not None

    def answer(self, request: UnitRequest, head: Qna) -> None:
        """Accept or refuse. Raises `PeerViolation` for a request number that is in use."""
        if self._ledger.get((head, request.request)) is not None:
            raise PeerViolation(f"UnitRequest {request.request} of {format_qna(head)} is live already")
        admitted = self._admit(request, head)
        if isinstance(admitted, ErrorCode):
            refusal = UnitRefuse(request=request.request, reason=admitted)
            self._ledger.effects += [Count("unit.refused"), SendMessage(head, refusal, Seal.END)]
            return
        identifier, claim = admitted
        unit = TailUnit(TailState.ACCEPTED, self._ledger.handle(), head, head, claim.client, claim.user, identifier,
                        request, self._around)  # fmt: skip
        accept = UnitAccept(request=request.request, nonce=self._ledger.nonce())
        unit.context = unit_context(identifier, request, accept)
        self._ledger.enter(unit)
        unit.tell(UnitStarted(request=0, unit=unit.handle, kind=request.kind, remote=head, urn=identifier.texts))
        unit.send(accept)

    def _admit(self, request: UnitRequest, head: Qna) -> tuple[UnitIdentifier, Claim] | ErrorCode:
        """Decide on a request; one code for all that concerns the endpoint (UNIT-4.2-3)."""
        ledger = self._ledger
        try:
            identifier = parse_unit(request.urn, nid=ledger.parameters.lifecycle_nid)
        except WireError:
            return ErrorCode.MALFORMED
        if request.kind not in (UnitKind.KEY, UnitKind.PAIRS) or len(identifier.endpoints) != 2:
            return ErrorCode.POLICY
        if request.kind == UnitKind.KEY and request.pairs > MAXIMUM_ROUNDS:
            return ErrorCode.TOO_BIG
        if ledger.until(request.deadline, identifier) <= ledger.domain(ledger.now_ns):
            return ErrorCode.EXPIRED
        if ledger.has(identifier, head):
            return ErrorCode.NO_ENDPOINT
        of_head = sum(1 for unit in ledger if unit.head == head)
        if len(ledger) >= ledger.parameters.units or of_head >= ledger.parameters.units_of_peer:
            return ErrorCode.NO_RESOURCES
        claim = self._claim_for(identifier, head)
        return ErrorCode.NO_ENDPOINT if claim is None else (identifier, claim)

    def _claim_for(self, identifier: UnitIdentifier, head: Qna) -> Claim | None:
        """Who serves the one endpoint that is ours, if the other one is the head's to speak for."""
        served = [(urn, self._routes.destination_of(urn.canonical)) for urn in identifier.endpoints]
        local = [urn for urn, node in served if node == self._ledger.own]
        remote = [urn for urn, node in served if node == head]
        if len(local) != 1 or len(remote) != 1 or not self._may_speak(head, remote[0]):
            return None
        return self._admission.claim_for(local[0])

    def _may_speak(self, node: Qna, endpoint: Urn) -> bool:
        """Whether the node's certificate, if it names prefixes, has one for the endpoint (UNIT-4.1-9)."""
        prefixes = self._speaks_for.get(node, ())
        return not prefixes or any(parse_urn(prefix).is_prefix_of(endpoint) for prefix in prefixes)
