"""What an application can do, written once for all forms of the API.

A verb is a generator: it asks the core, then yields whenever it cannot go on before something more was received, and
returns its result. Whoever runs it sends what the core has to send, receives, and resumes it: with trio or blocking.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

from qstack.base.bell import Basis
from qstack.base.errors import LocalMisuse, WireError
from qstack.sockets.client import MAXIMUM_MEASURED, Answer, ClientCore, UnitView, error_code
from qstack.sockets.errors import EndpointRefused, PairLost, RequestRefused, UnitRefused
from qstack.sockets.values import Key, MeasuredPair, PairTold, UnitKind
from qstack.wire.control import PairsMeasured, Refused, UnitStarted
from qstack.wire.unit import MAXIMUM_ENDPOINTS
from qstack.wire.urn import parse_endpoint, parse_urn

__all__ = ["Verb", "accept", "answer", "claim", "close", "key", "measure", "measure_one", "next_pair",
           "open_unit", "release", "wait_closed"]  # fmt: skip

T = TypeVar("T")
Verb = Generator[None, None, T]


def claim(core: ClientCore, urn: str) -> Verb[str]:
    """Serve an endpoint. Returns its name as `accept` takes it. Raises `EndpointRefused`."""
    name = _endpoint_name(urn)
    if name not in core.claims:
        yield from answer(core, core.claim(urn), EndpointRefused)
        core.claims.add(name)
    return name


def accept(core: ClientCore, name: str | None) -> Verb[UnitView]:
    """Wait for the next unit that somebody opens towards a claimed endpoint; None: towards any."""
    while (unit := core.next_incoming(name)) is None:
        core.check()
        yield
    return unit


def open_unit(
    core: ClientCore, urns: Sequence[str], kind: UnitKind, min_fidelity: float, timeout_s: float
) -> Verb[UnitView]:
    """Open a unit; returns as soon as its establishment has begun. Raises `LocalMisuse`, `UnitRefused`."""
    _check_urns(urns)
    started = yield from answer(core, core.open_unit(urns, kind, min_fidelity, timeout_s), UnitRefused)
    assert isinstance(started, UnitStarted)
    return core.started(started)


def key(core: ClientCore, unit: UnitView) -> Verb[Key]:
    """Wait for the key. Raises `UnitFailed`."""
    if unit.kind != UnitKind.KEY:
        raise LocalMisuse("this unit shares pairs: use pairs(), or open one of kind 'key'")
    while unit.key is None:
        _check(core, unit)
        yield
    return unit.key


def next_pair(core: ClientCore, unit: UnitView) -> Verb[PairTold]:
    """Wait for this end's half of the next pair. Raises `UnitFailed`."""
    if unit.kind != UnitKind.PAIRS:
        raise LocalMisuse("this unit shares a key: use key(), or open one of kind 'pairs'")
    while not unit.pairs:
        _check(core, unit)
        yield
    return unit.pairs.popleft()


def measure(
    core: ClientCore, unit: UnitView, pairs: Sequence[PairTold], bases: Sequence[Basis]
) -> Verb[list[MeasuredPair]]:
    """Measure pairs, each in its basis, leaving out what the device has lost. Raises `UnitFailed`, `RequestRefused`."""
    if len(pairs) != len(bases):
        raise LocalMisuse(f"{len(pairs)} pairs and {len(bases)} bases: each pair is measured in a basis of its own")
    asked = list(zip(pairs, bases, strict=True))
    outcomes: dict[int, int] = {}
    for start in range(0, len(asked), MAXIMUM_MEASURED):
        numbers = [(pair.number, basis) for pair, basis in asked[start : start + MAXIMUM_MEASURED]]
        done = yield from answer(core, core.measure(unit, numbers), RequestRefused, unit)
        assert isinstance(done, PairsMeasured)
        outcomes |= {each.pair: each.outcome for each in done.outcomes}
    return [
        MeasuredPair(pair.number, basis, outcomes[pair.number], pair.bell_index)
        for pair, basis in asked if pair.number in outcomes
    ]  # fmt: skip


def measure_one(core: ClientCore, unit: UnitView, pair: PairTold, basis: Basis) -> Verb[MeasuredPair]:
    """Measure one pair. Raises `PairLost` when the device could not, and what `measure` raises."""
    measured = yield from measure(core, unit, [pair], [basis])
    if not measured:
        raise PairLost(f"the device could not measure pair {pair.number}")
    return measured[0]


def release(core: ClientCore, unit: UnitView, pairs: Sequence[PairTold]) -> Verb[None]:
    """Give pairs up unmeasured."""
    core.release(unit, [pair.number for pair in pairs])
    yield from ()


def close(core: ClientCore, unit: UnitView) -> Verb[None]:
    """Give the unit up, or say that it is consumed."""
    core.close(unit)
    yield from ()


def wait_closed(core: ClientCore, unit: UnitView) -> Verb[None]:
    """Until the unit is over: delivered, closed at either end, or failed."""
    while unit.failed is None and unit.key is None and not unit.closed:
        core.check()
        yield


def answer(
    core: ClientCore, request: int, refusal: type[RequestRefused], unit: UnitView | None = None
) -> Verb[Answer]:
    """Wait for the answer to a request; a refusal is raised as `refusal`."""
    try:
        while (found := core.answer(request)) is None:
            if unit is not None:
                _check(core, unit)
            core.check()
            yield
    except GeneratorExit:  # nobody waits for it any more
        core.forget(request)
        raise
    if isinstance(found, Refused):
        raise refusal(error_code(found.reason), found.text)
    return found


def _check(core: ClientCore, unit: UnitView) -> None:
    if unit.failed is not None:
        raise unit.failed
    if unit.closed:
        raise LocalMisuse("this unit was closed here")
    core.check()


def _check_urns(urns: Sequence[str]) -> None:
    if isinstance(urns, str) or not all(isinstance(urn, str) for urn in urns):
        raise LocalMisuse(f"{urns!r}: a unit is named by a list of URNs, each a str")
    if not 3 <= len(urns) <= MAXIMUM_ENDPOINTS + 1:
        raise LocalMisuse(f"{len(urns)} URNs: a unit is named by those of its 2 to {MAXIMUM_ENDPOINTS} endpoints and "
                          "one lifecycle URN, as urn:qkd:lifecycle?=size=256")  # fmt: skip
    for urn in urns:
        try:
            parse_urn(urn)
        except WireError as error:
            raise LocalMisuse(f"{urn!r}: {error}") from error


def _endpoint_name(urn: str) -> str:
    try:
        return parse_endpoint(urn).canonical_with_q
    except WireError as error:
        raise LocalMisuse(f"endpoint {urn!r}: {error}") from error
