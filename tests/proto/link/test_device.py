"""A node whose device goes, and comes back empty."""

import pytest

from qstack.base.errors import ErrorCode
from qstack.base.services import (
    DeviceGone,
    DeviceReady,
    LinkRefused,
    LinkReserved,
    PairsFailed,
    ReleaseLink,
    ReserveLink,
)
from tests.proto.link.test_link import HIGH, LABEL, LOW, OTHER, Fabric, both_have, request, reserve


def test_device_that_has_gone_fails_every_label_and_refuses_new_ones() -> None:
    fabric = Fabric([LOW, HIGH])
    reserve(fabric)
    request(fabric, 2)
    fabric.run(3, both_have(fabric, 2))
    fabric.serve(LOW, DeviceGone())
    assert [(failed.label, failed.reason) for failed in fabric.places[LOW].of(PairsFailed)] == [
        (LABEL, ErrorCode.NO_RESOURCES)
    ]
    fabric.serve(LOW, ReserveLink(HIGH, OTHER, 1, 0.0))
    assert [refused.reason for refused in fabric.places[LOW].of(LinkRefused)] == [ErrorCode.NO_RESOURCES]
    request(fabric, 1)
    assert len(fabric.places[LOW].of(PairsFailed)) == 2


def test_device_that_is_back_is_told_at_once_to_empty_what_was_given_back_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fabric = Fabric([LOW, HIGH])
    reserve(fabric)
    request(fabric, 2)
    fabric.run(3, both_have(fabric, 2))
    with monkeypatch.context() as patch:
        patch.setattr(fabric, "_call", lambda place, asked: None)
        fabric.serve(LOW, DeviceGone())
        fabric.serve(LOW, ReleaseLink(HIGH, LABEL))
        fabric.run(0.2)
    machine = fabric.places[LOW].link
    assert machine.describe().links[0].emptying > 0
    fabric.serve(LOW, DeviceReady())
    fabric.run(0.1)
    assert machine.describe().links[0].free == machine.describe().links[0].memories
    fabric.serve(LOW, ReserveLink(HIGH, OTHER, 1, 0.0))
    assert fabric.places[LOW].of(LinkReserved)[-1].label == OTHER
