"""What must be sealed, sent in the open: anybody can do that."""

import pytest

from qstack.base.effects import Seal, Sender
from qstack.base.locator import Arrival
from qstack.wire.session import Close, Established, Probe, ProbeReply
from tests.proto.session.network import SECOND, Network, home

WRONG_SEALS = [(Seal.HOP, None), (Seal.HOP, Seal.END), (Seal.END, None), (Seal.END, Seal.HOP)]


@pytest.mark.parametrize("scope, seal", WRONG_SEALS)
@pytest.mark.parametrize("message", [Close(), Probe(token=1), ProbeReply(token=1), Established()])
def test_machine_message_of_an_epoch_without_its_seal_is_refused(scope: Seal, seal: Seal | None, message) -> None:
    network = Network(scope)
    alice, bob = network.pair()
    crossings = len(network.crossings)
    sender = Sender(alice.qna, seal, Arrival("lab", home(alice.qna)), alice.qna)
    bob.machine.receive(message, sender, network.now_ns)
    bob.settle()
    network.run(SECOND)
    assert bob.machine.is_up(alice.qna)
    assert len(network.crossings) == crossings
