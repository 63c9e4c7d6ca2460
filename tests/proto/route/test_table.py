"""The configured routes, asked as other protocols ask them."""

import pytest

from qstack.base.errors import LocalMisuse
from qstack.base.ids import AsNumber, Qna, make_qna
from qstack.base.services import Routes
from qstack.proto.route.table import AsRoute, NodeRoute, PrefixRoute, RouteTable
from qstack.wire.urn import parse_urn

OWN, NEAR, BORDER, FAR, BEYOND = (make_qna(64512, 1), make_qna(64512, 2), make_qna(64512, 3), make_qna(64512, 9),
                                  make_qna(64513, 2))  # fmt: skip


def prefix(urn: str, node: Qna) -> PrefixRoute:
    return PrefixRoute(parse_urn(urn), node)


@pytest.fixture
def routes() -> RouteTable:
    return RouteTable(
        OWN, neighbours=(NEAR, BORDER), linked=(neighbour for neighbour in (NEAR,)),
        prefixes=(prefix("urn:qkd:madqci", BORDER), prefix("urn:qkd:madqci:ccips", NEAR), prefix("URN:QKD:a%2fb", FAR)),
        nodes=(NodeRoute(FAR, NEAR),), domains=(AsRoute(AsNumber(64513), BORDER), AsRoute(AsNumber(64512), BORDER)),
    )  # fmt: skip


def test_table_serves_the_interface(routes: RouteTable) -> None:
    interface: Routes = routes
    assert interface.next_hop(NEAR) == NEAR


@pytest.mark.parametrize(
    ("urn", "node"),
    [
        ("urn:qkd:madqci", BORDER),
        ("urn:qkd:madqci:other", BORDER),
        ("urn:qkd:madqci:ccips", NEAR),
        ("urn:qkd:madqci:ccips:deep:er", NEAR),
        ("urn:qkd:madqci:ccips2", BORDER),
        ("URN:QKD:madqci:ccips?=nonce=177923", NEAR),
        ("urn:qkd:a%2Fb:c", FAR),
        ("urn:qkd:madqci2", None),
        ("urn:qkd:MADQCI", None),
        ("urn:other:madqci", None),
        ("urn:qkd:m", None),
    ],
)
def test_endpoint_goes_to_the_longest_prefix_of_whole_labels(routes: RouteTable, urn: str, node: Qna | None) -> None:
    assert routes.destination_of(urn) == node


def test_next_hop_prefers_neighbour_then_node_then_domain(routes: RouteTable) -> None:
    assert routes.next_hop(NEAR) == NEAR
    assert routes.next_hop(FAR) == NEAR
    assert routes.next_hop(make_qna(64512, 77)) == BORDER
    assert routes.next_hop(BEYOND) == BORDER
    assert routes.next_hop(make_qna(64999, 1)) is None
    assert routes.next_hop(OWN) is None


def test_quantum_next_hop_follows_links_alone(routes: RouteTable) -> None:
    assert routes.quantum_next_hop(NEAR) == NEAR
    assert routes.quantum_next_hop(FAR) == NEAR
    assert routes.quantum_next_hop(BEYOND) is None  # the border is a neighbour, but there is no link to it
    assert routes.quantum_next_hop(OWN) is None


def test_link_makes_a_udp_neighbour() -> None:
    assert RouteTable(OWN, neighbours=(), linked=(NEAR,)).next_hop(NEAR) == NEAR


def test_route_through_a_stranger_is_refused() -> None:
    with pytest.raises(LocalMisuse, match=r"64512\.9 is not a neighbour"):
        RouteTable(OWN, neighbours=(NEAR,), linked=(), domains=(AsRoute(AsNumber(64513), FAR),))


def test_route_given_twice_differently_is_refused() -> None:
    with pytest.raises(LocalMisuse, match="given twice"):
        RouteTable(OWN, neighbours=(NEAR, BORDER), linked=(), nodes=(NodeRoute(FAR, NEAR), NodeRoute(FAR, BORDER)))


def test_new_routes_are_seen_by_who_holds_the_table(routes: RouteTable) -> None:
    routes.become(RouteTable(OWN, neighbours=(NEAR,), linked=(NEAR,), nodes=(NodeRoute(BEYOND, NEAR),)))
    assert routes.quantum_next_hop(BEYOND) == NEAR
    assert routes.destination_of("urn:qkd:madqci") is None
    assert routes.next_hop(BORDER) != BORDER
