"""What a device says of its memories decides which of a link's memories pairs are born in, and which keep them."""

import pytest

from qstack.base.ids import QubitId
from qstack.config.node import Link, NodeFile
from qstack.daemon.build import _links
from qstack.quantum.memories import Operation
from qstack.wire.twin import Attached, MemoryKind, MemoryRole, OperationKind
from qstack.wire.twin import Operation as OperationName


def device() -> Attached:
    return Attached(
        request_id=0, identity=1, secret=0, qubits=6,
        memories=(MemoryKind(first=QubitId(0), count=4), MemoryKind(first=QubitId(4), count=2,
                                                                             role=MemoryRole.STORAGE)),
        operations=(OperationKind(operation=OperationName.MOVE, duration_ns=500, error=1 << 30),),
    )  # fmt: skip


class File:
    """As much of a node's file as is looked at."""

    def __init__(self, *memories: tuple[int, ...]) -> None:
        self.memories = memories
        self.links = [Link(id=n + 1, neighbour=n + 2, stations=(n + 2,), memories=list(numbers))  # type: ignore[arg-type]
                      for n, numbers in enumerate(memories)]  # fmt: skip


@pytest.mark.parametrize(
    ("named", "storage"),
    [(((0, 1), (2, 3)), ((4, 5), (4, 5))), (((0, 1, 4), (2, 3, 5)), ((4,), (5,))), (((0, 4, 5), (1,)), ((4, 5), ()))],
)
def test_storage_is_for_the_links_that_name_it_or_else_for_all(
    named: tuple[tuple[int, ...], ...], storage: tuple[tuple[int, ...], ...]
) -> None:
    file: NodeFile = File(*named)  # type: ignore[assignment]
    made = _links(file, device())
    assert tuple(link.storage for link in made) == storage
    assert all(max(link.memories) < 4 for link in made)
    costs = [link.handling.move for link in made]
    assert costs == [Operation(500, 0.25) if each else Operation() for each in storage]


def test_without_a_device_every_memory_is_for_communication() -> None:
    file: NodeFile = File((0, 4))  # type: ignore[assignment]
    [link] = _links(file, None)
    assert link.memories == (0, 4) and link.storage == ()
