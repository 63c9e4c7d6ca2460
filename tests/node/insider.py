"""A neighbour with a true certificate that says whatever can be said.

It has keys, hears every message of the network, and speaks in any state: every declared message, with fields of its own
or of what it has heard, by every way that is open to it (hop seal, end seal, forwarded, unsealed), in any place of the
reliable flow. All of it is drawn from one seed.
"""

from collections import defaultdict
from random import Random
from typing import Any

import qstack.wire.tables  # noqa: F401  (fills the registries)
from qstack.base.effects import Seal, Sender
from qstack.base.ids import Epoch, Qna
from qstack.testing.simulation import EPOCH_NS, Place
from qstack.wire.circuit import Estimate, MemoryTimes, Reserve, RouteHop, Track, TrackedPair
from qstack.wire.header import DelayTlv, EndHeader, ExchangeTlv, Header, TraceTlv
from qstack.wire.link import CreateRequest, Gen, HalfReading, Room, Schedule
from qstack.wire.protocols import Protocol
from qstack.wire.schema import Field, Form, Kind
from qstack.wire.session import Close
from qstack.wire.unit import UnitClose, UnitRequest
from qstack.wire.value import Message, Record, UnknownTlv, message_classes

_PROTOCOLS = (*(Protocol.LINK, Protocol.CIRCUIT, Protocol.UNIT) * 4, Protocol.QARP, Protocol.SESSION, Protocol.HEADER)
_BETWEEN_ENDS = (Protocol.UNIT, Protocol.HEADER)
_SAME = {  # fields that mean one thing under several names
    "link_label": "label", "downstream_label": "label", "sequences": "sequence", "first_sequence": "sequence",
    "other_queue_sequence": "queue_sequence", "windows": "first_cycle", "receiver_epoch": "epoch",
    "sender_epoch": "epoch", "initiator_epoch": "epoch", "stations": "station", "pair": "number",
}  # fmt: skip
_HEARD_LIMIT = 400
_FEW = 4  # items above the smallest count
_FAREWELLS = (Close, UnitClose)  # seldom said: after them there is less to do harm to


class Vocabulary:
    """What has been heard: messages by class, and values by what they mean. A witness of the simulation."""

    def __init__(self, qnas: list[Qna], dice: Random) -> None:
        self.qnas = qnas
        self._dice = dice
        self._messages: dict[type[Message], list[Message]] = defaultdict(list)
        self._values: dict[str, list[Any]] = defaultdict(list)

    def booted(self, place: Place) -> None:
        pass

    def died(self, place: Place) -> None:
        pass

    def told(self, place: Place, client: int, message: Message) -> None:
        pass

    def receives(self, place: Place, message: Message, sender: Sender) -> None:
        self._remember(self._messages[type(message)], message)
        self._hear(message)

    def hear(self, meaning: str, value: Any) -> None:
        """Something that the insider knows besides."""
        self._remember(self._values[meaning], value)

    def message(self, now_ns: int) -> Message:
        """A message of any class: as heard, as heard with some fields changed, or made up."""
        kind: type[Message] = self._dice.choice(list(message_classes(self._dice.choice(_PROTOCOLS)).values()))
        if kind in _FAREWELLS and self._dice.random() < 0.9:
            return self.message(now_ns)
        heard = self._messages.get(kind)
        if heard and self._dice.random() < 0.6:
            return self.changed(self._dice.choice(heard), 3, now_ns)
        return self._made_up(kind, now_ns)

    def changed(self, model: Message, most: int, now_ns: int) -> Message:
        """The message with up to `most` of its fields changed."""
        fields = {field.name: field for field in type(model).LAYOUT.fields
                  if field.name != "options" and field.kind is not Kind.RESERVED}  # fmt: skip
        names = self._dice.sample(list(fields), self._dice.randint(0, min(most, len(fields))))
        return model.replace(**{name: self._value(fields[name], now_ns) for name in names})

    def known(self, meaning: str, default: Any) -> Any:
        """A value that was heard with this meaning."""
        return self._dice.choice(self._values.get(meaning) or [default])

    def _hear(self, value: Record) -> None:
        for field in value.LAYOUT.fields:
            if field.kind in (Kind.RESERVED, Kind.TLVS):
                continue
            found = getattr(value, field.name)
            for each in found if isinstance(found, tuple) else (found,):
                if isinstance(each, Record):
                    self._hear(each)
                else:
                    self.hear(_SAME.get(field.name, field.name), each)

    def _remember(self, known: list[Any], value: Any) -> None:
        if len(known) < _HEARD_LIMIT:
            known.append(value)
        else:
            known[self._dice.randrange(_HEARD_LIMIT)] = value

    def _made_up(self, kind: type[Any], now_ns: int) -> Any:
        fields = [field for field in kind.LAYOUT.fields if field.kind is not Kind.RESERVED and field.name != "options"]
        return kind(**{field.name: self._value(field, now_ns) for field in fields})

    def _value(self, field: Field, now_ns: int) -> Any:
        if field.kind is Kind.RECORD:
            return self._made_up(field.item, now_ns)
        if field.kind is Kind.LIST:
            few = [field.minimum] * 8 + [self._dice.randint(field.minimum, min(field.maximum, field.minimum + _FEW))]
            count = field.maximum if self._dice.random() < 0.02 else self._dice.choice(few)
            return tuple(self._item(field, now_ns) for _ in range(count))
        return self._scalar(field, field.name, now_ns)

    def _item(self, field: Field, now_ns: int) -> Any:
        if isinstance(field.item, Field):
            return self._scalar(field.item, field.name, now_ns)
        return self._made_up(field.item, now_ns)

    def _scalar(self, field: Field, name: str, now_ns: int) -> Any:
        heard = self._values.get(_SAME.get(name, name))
        if heard and self._dice.random() < 0.6:
            value = self._dice.choice(heard)
            if isinstance(value, int) and self._dice.random() < 0.1:
                value += self._dice.choice([-1, 1])
            if _fits(field, value):
                return value
        match field.kind:
            case Kind.UNSIGNED:
                return self._number(field, now_ns)
            case Kind.FIXED:
                return self._dice.choice([bytes(field.size), self._dice.randbytes(field.size)])
            case Kind.PREFIXED:
                return self._dice.randbytes(self._dice.choice([field.minimum, min(field.maximum, field.minimum + 9)]))
            case Kind.TEXT:
                return "urn:qkd:x"[: field.maximum].ljust(field.minimum, "x")
            case _:
                return b""

    def _number(self, field: Field, now_ns: int) -> int:
        greatest = (1 << field.bits) - 1
        drawn = [self._dice.randint(0, greatest), self._dice.randint(0, min(9, greatest))]
        choices = [0, 1, greatest, greatest - 1, *drawn]
        if field.form is Form.QNA:
            choices = [*self.qnas] * 3 + choices
        elif field.form is Form.DOMAIN_TIME:
            choices = [now_ns + self._dice.randrange(10**11)] * 8 + choices
        elif field.unit == "cycles" and field.bits == 64:
            choices = [now_ns // 10_000 + self._dice.randrange(-(10**4), 10**6)] * 8 + choices
        elif field.values is not None and len(field.values):
            choices = [*map(int, field.values)] * 3 + choices
        return self._dice.choice(choices)


def _fits(field: Field, value: Any) -> bool:
    match field.kind:
        case Kind.UNSIGNED:
            return isinstance(value, int) and 0 <= value < 1 << field.bits
        case Kind.FIXED:
            return isinstance(value, bytes) and len(value) == field.size
        case Kind.PREFIXED:
            return isinstance(value, bytes) and field.minimum <= len(value) <= field.maximum
        case Kind.TEXT:
            return isinstance(value, str) and field.minimum <= len(value) <= field.maximum
        case _:
            return False


class HalfDeaf:
    """A machine of the insider's own node, which hears half of what it is told.

    So others wait for it, in states that honest nodes soon leave.
    """

    def __init__(self, machine: Any, dice: Random) -> None:
        self._machine, self._dice = machine, dice

    def receive(self, message: Message, sender: Sender, now_ns: int) -> None:
        if self._dice.random() < 0.5:
            self._machine.receive(message, sender, now_ns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)


class Insider:
    """Whoever has the keys of `name`, in a rig. `vocabulary` is shared by all insiders of a network."""

    def __init__(self, rig: Any, name: str, vocabulary: Vocabulary, dice: Random) -> None:
        self.rig = rig
        self.name = name
        self.said = 0
        self._label = 0  # that what is said next is to bear
        self._vocabulary = vocabulary
        self._dice = dice

    def begin(self) -> None:
        """Its node has started."""
        served = self._node().machines.by_protocol
        for protocol in (Protocol.LINK, Protocol.CIRCUIT, Protocol.UNIT):
            served[int(protocol)] = HalfDeaf(served[int(protocol)], self._dice)

    def speak(self, victim: str) -> None:
        """Say one thing to a neighbour, with whom there must be a session."""
        now_ns = EPOCH_NS + self.rig.simulation.now_ns
        self._label = 0
        if self._dice.random() < 0.35:
            message = self._vocabulary.changed(self._sensible(victim, now_ns), 1, now_ns)
        else:
            message = self._vocabulary.message(now_ns)
        way, far = self._dice.random(), self._far_ends()
        if way < 0.04:
            datagram = self._unsealed(message, victim)
        elif far and (way < 0.10 or (message.PROTOCOL in _BETWEEN_ENDS and way < 0.95)):
            datagram = self._under_end_seal(message, self._dice.choice(far), victim)
        else:
            datagram = self._under_hop_seal(message, victim)
        if datagram is not None:
            self.said += 1
            self.rig.simulation.inject(datagram, self.rig.locator(self.name), self.rig.locator(victim))

    # --- what an honest node could say, so that others follow ------------------------------------------------------

    def _sensible(self, victim: str, now_ns: int) -> Message:
        following = self.rig.node(victim).machines.circuit.describe() and self._dice.random() < 0.4
        what = Insider._track if following else self._dice.choice(_SENSIBLE)
        return what(self, victim, now_ns)

    def _reserve(self, victim: str, now_ns: int) -> Message:
        own, peer = self.rig.qna(self.name), self.rig.qna(victim)
        far = self._dice.choice([qna for qna in self._vocabulary.qnas if qna != own])
        label = self._dice.randrange(1, 1 << 31) << 1 | (own > peer)
        self._vocabulary.hear("label", label)
        return Reserve(
            link_label=label, circuit=self._dice.getrandbits(32), context=self._vocabulary.known("context", bytes(16)),
            qui=1, number=self._dice.randint(1, 40), memories=self._dice.randint(1, 4), min_fidelity=0,
            path_fidelity=65_535, hops_left=9, deadline=now_ns + self._dice.randrange(10**8, 10**11),
            head_memory=MemoryTimes(), endpoints=(own, far), route=(RouteHop(node=far, loose=1),),
        )  # fmt: skip

    def _create(self, victim: str, now_ns: int) -> Message:
        end = self._link_end(victim)
        own, peer = self.rig.qna(self.name), self.rig.qna(victim)
        labels = [] if end is None else list(end.pool.kept)
        return CreateRequest(
            create_id=self._dice.getrandbits(32), link=1 if end is None else end.configuration.link,
            label=self._dice.choice(labels or [2]), number=self._dice.randint(1, 9), deadline=now_ns + 10**10,
            queue_sequence=0 if end is None or own > peer else end.queue.places + 1 & 0xFFFF_FFFF,
            room=Room(free=self._dice.randint(0, 40), memories=self._dice.randint(0, 40)), local=HalfReading(),
            remote=HalfReading(),
            stations=(own,) if end is None else end.configuration.stations,
        )  # fmt: skip

    def _schedule(self, victim: str, now_ns: int) -> Message:
        end = self._link_end(victim)
        places = [] if end is None else [request.sequence for request in end.queue]
        return Schedule(
            link=1 if end is None else end.configuration.link,
            schedule=1 if end is None else end._schedule + 1 & 0xFFFF_FFFF,
            queue_sequence=self._dice.choice(places or [1]), cycles=self._dice.choice([1, 9, 500]),
            first_cycle=now_ns // 10_000 + self._dice.randrange(-2_000, 5_000), memories=self._dice.randint(1, 40),
            stride=self._dice.choice([500, 1_000]), windows=self._dice.choice([1, 1, 2, 5]),
            allowance=self._dice.choice([1, 9, 40, 0xFFFF_FFFF]),
        )  # fmt: skip

    def _gen(self, victim: str, now_ns: int) -> Message:
        end = self._link_end(victim)
        windows = [] if end is None else list(end.windows.open)
        return Gen(
            link=1 if end is None else end.configuration.link, station=self.rig.qna(victim),
            first_cycle=self._dice.choice(windows or [now_ns // 10_000 + 100]), cycles=self._dice.choice([1, 9, 500]),
            queue_sequence=1, stride=self._dice.choice([500, 1_000]), windows=self._dice.choice([1, 1, 2, 5]),
            attempts=self._dice.randint(0, 1), allowance=self._dice.choice([1, 9, 40, 0xFFFF_FFFF]),
        )  # fmt: skip

    def _track(self, victim: str, now_ns: int) -> Message:
        """Of pairs of a circuit that goes through both, in states that may be none."""
        own, end = self.rig.qna(self.name), self._link_end(victim)
        circuits = self.rig.node(victim).machines.circuit.describe()
        hops = [hop for each in circuits for hop in (each.above, each.below) if hop and hop.neighbour == own]
        self._label = self._dice.choice(hops).own_label if hops else self._vocabulary.known("label", 0)
        filled = [] if end is None else list(end.windows._filled.values())
        sequences = [sequence for each in filled[-3:] for sequence, _ in each.pairs] or [0, 1, 2]
        estimate = Estimate(correlation=tuple(self._dice.choice([0, 1 << 31, (1 << 32) - 1]) for _ in range(15)))
        pairs = tuple(
            TrackedPair(pair=self._dice.randrange(9), sequence=sequence, bell_index=self._dice.randrange(4), estimate=0,
                        created=now_ns) for sequence in sequences[:40]
        )  # fmt: skip
        return Track(estimates=(estimate,), pairs=pairs)

    def _unit(self, victim: str, now_ns: int) -> Message:
        far = self.rig.topology.name(self._dice.choice(self._vocabulary.qnas))
        number = self._dice.getrandbits(16)
        return UnitRequest(
            request=number, kind=self._dice.choice([1, 2]), tests=8, pairs=200, min_fidelity=0, nonce=bytes(16),
            deadline=now_ns + self._dice.randrange(10**8, 10**11),
            urn=(f"urn:qkd:net:{self.name}?=nonce=x{number}", f"urn:qkd:net:{far}?=nonce=y{number}",
                 f"urn:qkd:lifecycle?=size=8&valid-until={now_ns // 10**9 + 60}"),
        )  # fmt: skip

    def _link_end(self, victim: str) -> Any:
        """The victim's end of the link to the insider, if there is one."""
        return self.rig.node(victim).machines.link._by_neighbour.get(self.rig.qna(self.name))

    # --- how it is said ----------------------------------------------------------------------------------------------

    def _node(self) -> Any:
        return self.rig.node(self.name)

    def _far_ends(self) -> list[Qna]:
        return [qna for qna in self._vocabulary.qnas if self._node().machines.end_session.is_up(qna)]

    def _under_hop_seal(self, message: Message, victim: str) -> bytes | None:
        machine, peer = self._node().machines.hop_session, self.rig.qna(victim)
        if not machine.is_up(peer):
            return None
        payload = self._spoiled(message.encode())
        header = Header(
            next_protocol=int(message.PROTOCOL) if self._dice.random() < 0.97 else self._dice.randrange(12),
            source=self._qna(self.rig.qna(self.name)), destination=self._qna(peer),
            hop_limit=self._dice.choice([64, 64, 64, 0, 1, 2, 255]), traffic_class=self._dice.randrange(16),
            label=self._label or self._dice.choice([0, self._vocabulary.known("label", 0)]),
            options=self._options(peer, Seal.HOP, victim),
        )  # fmt: skip
        encrypt = message.CONFIDENTIAL if self._dice.random() < 0.95 else not message.CONFIDENTIAL
        return bytes(machine.seal_hop(peer, header, payload, encrypt, self.rig.now(self.name)))

    def _under_end_seal(self, message: Message, far: Qna, victim: str) -> bytes | None:
        hop, end = self._node().machines.hop_session, self._node().machines.end_session
        peer, now = self.rig.qna(victim), self.rig.now(self.name)
        if not hop.is_up(peer):
            return None
        header = Header(next_protocol=Protocol.END, source=self.rig.qna(self.name), destination=far)
        place = self.rig.topology.name(far)
        inner = EndHeader(
            next_protocol=int(message.PROTOCOL) if self._dice.random() < 0.97 else self._dice.randrange(12),
            epoch=Epoch(0), packet_number=0, options=self._options(self.rig.qna(self.name), Seal.END, place),
        )  # fmt: skip
        encrypt = message.CONFIDENTIAL if self._dice.random() < 0.95 else not message.CONFIDENTIAL
        sealed = end.seal_end(far, header, inner, self._spoiled(message.encode()), encrypt, now)
        if self._dice.random() < 0.1:  # behind the hop's own flow, which no honest node does
            header = header.replace(options=self._options(peer, Seal.HOP, victim))
        return bytes(hop.seal_hop(peer, header, self._spoiled(sealed), False, now))

    def _unsealed(self, message: Message, victim: str) -> bytes:
        header = Header(next_protocol=int(message.PROTOCOL), source=self._qna(self.rig.qna(self.name)),
                        destination=self._qna(self.rig.qna(victim)))  # fmt: skip
        octets = self._spoiled(message.encode())
        return header.replace(length=len(header.encode()) + len(octets)).encode() + octets

    def _qna(self, usual: Qna) -> Qna:
        if self._dice.random() < 0.85:
            return usual
        return Qna(self._dice.choice([*self._vocabulary.qnas, 0, self._dice.getrandbits(64)]))

    def _spoiled(self, octets: bytes) -> bytes:
        """Mostly as it is; now and then not what anybody would have encoded."""
        if self._dice.random() < 0.93 or not octets:
            return octets
        spoiled = bytearray(octets)
        spoiled[self._dice.randrange(len(spoiled))] = self._dice.randrange(256)
        return bytes(spoiled[: self._dice.choice([len(spoiled), self._dice.randrange(len(spoiled) + 1)])])

    def _options(self, peer: Qna, seal: Seal, at: str) -> tuple[Any, ...]:
        options: list[Any] = []
        if self._dice.random() < 0.6:
            options.append(self._position(peer if seal is Seal.END else self.rig.qna(self.name), seal, at))
        if self._dice.random() < 0.05:
            options.append(UnknownTlv(code=self._dice.choice([0x3333, 0xBEEF]), value=b"?"))
        if self._dice.random() < 0.05:
            options.append(self._dice.choice([DelayTlv(departed=1), TraceTlv(limit=9)]))
        return tuple(options)

    def _position(self, party: Qna, seal: Seal, at: str) -> ExchangeTlv:
        """A place in the flow to the node at `at`: the next one, one that makes a row, one that was, or any."""
        flow = self.rig.node(at)._flows._exchanges.get((party, seal))
        following = 1 if flow is None else flow._next_receive
        sequence = following + self._dice.choice([0, 0, 0, 0, 1, 2, 5, -1, -3, 64, 65])
        acknowledged = 0 if self._dice.random() < 0.9 else self._dice.choice([1, 5, following, 0xFFFF_FFFF])
        return ExchangeTlv(sequence=self._dice.choice([sequence & 0xFFFF_FFFF] * 9 + [0]), acknowledged=acknowledged)


_SENSIBLE = (Insider._reserve, Insider._create, Insider._schedule, Insider._gen, Insider._track, Insider._unit)
