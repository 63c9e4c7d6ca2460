"""Routes of one node: what is neighbour, what is linked, what lies behind whom."""

from qstack.base.ids import make_qna
from qstack.proto.route.table import AsRoute, NodeRoute, RouteTable

OWN, NEXT, FAR, ABROAD = make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3), make_qna(64513, 1)


def table(**options):
    return RouteTable(OWN, **({"neighbours": (NEXT,), "linked": (NEXT,)} | options))


def test_table_links_given_by_an_iterator_are_quantum_neighbours():
    routes = table(neighbours=iter(()), linked=iter((NEXT,)))
    assert routes.quantum_next_hop(NEXT) == NEXT
    assert routes.is_neighbour(NEXT)


def test_table_destination_behind_a_link_has_the_same_hop_for_both_planes():
    routes = table(nodes=(NodeRoute(FAR, NEXT),), domains=(AsRoute(64513, NEXT),))
    assert [routes.next_hop(FAR), routes.quantum_next_hop(FAR)] == [NEXT, NEXT]
    assert [routes.next_hop(ABROAD), routes.quantum_next_hop(ABROAD)] == [NEXT, NEXT]


def test_table_neighbour_without_a_link_carries_datagrams_only():
    routes = table(neighbours=(NEXT, FAR), domains=(AsRoute(64513, FAR),))
    assert routes.next_hop(ABROAD) == FAR
    assert routes.quantum_next_hop(ABROAD) is None
