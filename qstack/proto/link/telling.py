"""Whom a request's pairs are for, and how they are told of them: a circuit by its label, an application as EGP does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from qstack.base.bell import Basis, BellIndex
from qstack.base.errors import ErrorCode
from qstack.base.ids import Label, PurposeId, Qna, QubitId
from qstack.base.pairs import PairKind
from qstack.base.services import (
    CreateAccepted,
    CreateDone,
    CreateFailed,
    PairExpired,
    PairOk,
    PairReady,
    PairsFailed,
    PairsRevoked,
)
from qstack.base.time import DomainTime
from qstack.quantum.formulas import Correlations, fidelity

__all__ = ["ApplicationAudience", "Audience", "CircuitAudience", "Half"]


@dataclass(frozen=True, slots=True)
class Half:
    """This end's half of a pair. `qubit` None: it has been measured, with `outcome` in `basis`.

    `correlation`: the estimated state at `created`, the asker's qubit first.
    """

    sequence: int
    qubit: QubitId | None
    bell_index: BellIndex
    created: DomainTime
    correlation: Correlations
    outcome: int | None = None
    basis: Basis | None = None


class Audience(Interface):
    """The user of a request."""

    def accepted(self) -> None:
        """It is in both queues."""

    def pair(self, half: Half) -> None:
        """One pair more (EGP OK)."""

    def failed(self, reason: ErrorCode, missing: int) -> None:
        """It ends without all of its pairs (EGP ERR)."""

    def revoked(self, sequences: Sequence[int]) -> None:
        """Pairs that were told are void (EGP EXPIRE)."""

    def done(self) -> None:
        """All its pairs were told."""


@dataclass(frozen=True, slots=True)
class CircuitAudience:
    """The circuit layer, which knows pairs by label. It is told of failure at the asker alone."""

    emit: Callable[[Any], None]
    neighbour: Qna
    label: Label
    mine: bool

    def accepted(self) -> None:
        """Goes without saying."""

    def pair(self, half: Half) -> None:
        """PairReady."""
        assert half.qubit is not None
        self.emit(PairReady(self.neighbour, self.label, half.sequence, half.qubit, half.bell_index, half.created,
                            half.correlation))  # fmt: skip

    def failed(self, reason: ErrorCode, missing: int) -> None:
        """PairsFailed."""
        if self.mine and missing:
            self.emit(PairsFailed(self.neighbour, self.label, reason))

    def revoked(self, sequences: Sequence[int]) -> None:
        """PairExpired."""
        for sequence in sequences:
            self.emit(PairExpired(self.neighbour, self.label, sequence))

    def done(self) -> None:
        """The circuit counts itself."""


@dataclass(frozen=True, slots=True)
class ApplicationAudience:
    """The EPR sockets of applications (EGP)."""

    emit: Callable[[Any], None]
    neighbour: Qna
    purpose: PurposeId
    create_id: int
    mine: bool
    kind: PairKind

    def accepted(self) -> None:
        """CreateAccepted."""
        if self.mine:
            self.emit(CreateAccepted(self.neighbour, self.create_id))

    def pair(self, half: Half) -> None:
        """PairOk."""
        self.emit(PairOk(
            self.neighbour, self.purpose, self.create_id, self.mine, self.kind, half.sequence, half.qubit,
            half.bell_index, half.created, half.correlation, fidelity(half.correlation, half.bell_index), half.outcome,
            half.basis,
        ))  # fmt: skip

    def failed(self, reason: ErrorCode, missing: int) -> None:
        """CreateFailed."""
        self.emit(CreateFailed(self.neighbour, self.purpose, self.create_id, self.mine, reason))

    def revoked(self, sequences: Sequence[int]) -> None:
        """PairsRevoked."""
        self.emit(PairsRevoked(self.neighbour, self.purpose, self.create_id, self.mine, tuple(sequences)))

    def done(self) -> None:
        """CreateDone."""
        self.emit(CreateDone(self.neighbour, self.purpose, self.create_id, self.mine))
