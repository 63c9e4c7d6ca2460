"""All qubits of a test as one density matrix in QuTiP: slow, general, and of another make than the engine."""

from math import sqrt

import numpy as np
import qutip

from qstack.quantum import reference

S = (qutip.qeye(2), qutip.sigmax(), qutip.sigmay(), qutip.sigmaz())
BELL = [qutip.bell_state(name) for name in ("00", "01", "10", "11")]  # Phi+, Phi-, Psi+, Psi-


def pauli_tensor(rho):
    """Every Pauli expectation of a density matrix, as an array of shape (4,) * n."""
    count = len(rho.dims[0])
    tensor = rho.full().reshape((2,) * (2 * count))
    for done in range(count):
        # Tr over (row, column) of this qubit with each Pauli; its index goes to the end.
        tensor = np.tensordot(tensor, reference.PAULIS, axes=((0, count - done), (2, 1)))
    assert np.abs(tensor.imag).max() < 1e-12
    return tensor.real


class QutipNetwork:
    """Qubits by name in one density matrix, each with its memory and last instant."""

    def __init__(self):
        self.rho = None
        self.names = []
        self.memories = {}
        self.touched = {}

    def add(self, rho, names, memories, instant):
        self.rho = rho if self.rho is None else qutip.tensor(self.rho, rho)
        self.names += names
        for name, memory in zip(names, memories, strict=True):
            self.memories[name], self.touched[name] = memory, instant

    def embed(self, operator, names):
        """An operator on some qubits, as one on all."""
        rest = [name for name in self.names if name not in names]
        whole = qutip.tensor(operator, *(S[0] for _ in rest))
        order = [*names, *rest]
        return whole.permute([order.index(name) for name in self.names])

    def channel(self, kraus, names):
        embedded = [self.embed(k, names) for k in kraus]
        self.rho = sum((k * self.rho * k.dag() for k in embedded), start=0 * self.rho)

    def advance(self, name, instant):
        """T1, T2 and depolarisation, as one Lindblad evolution."""
        memory, elapsed = self.memories[name], instant - self.touched[name]
        self.touched[name] = instant
        if elapsed == 0 or not (memory.t1_ns or memory.t2_ns or memory.depolarising_ns):
            return
        # The generators of relaxation and depolarisation, as a Lindbladian on one qubit.
        jumps = []
        if memory.t1_ns:
            jumps.append(sqrt(1 / memory.t1_ns) * qutip.basis(2, 0) * qutip.basis(2, 1).dag())
        pure = (1 / memory.t2_ns if memory.t2_ns else 0) - (1 / (2 * memory.t1_ns) if memory.t1_ns else 0)
        if pure > 0:
            jumps.append(sqrt(pure / 2) * S[3])
        if memory.depolarising_ns:
            jumps += [sqrt(1 / (4 * memory.depolarising_ns)) * pauli for pauli in S[1:]]
        propagator = (elapsed * qutip.liouvillian(0 * S[0], jumps)).expm()
        self.channel(qutip.to_kraus(propagator), [name])

    def gate(self, unitary, names, error):
        dims = [[2] * len(names)] * 2
        self.channel([qutip.Qobj(unitary, dims=dims)], names)
        if error:
            strings = S if len(names) == 1 else [qutip.tensor(a, b) for a in S for b in S]
            turned = self.rho
            self.channel([string / 2 ** len(names) for string in strings], names)
            self.rho = (1 - error) * turned + error * self.rho

    def project(self, operator, names):
        """Probability of a projector's outcome, and the network after it."""
        self.channel([operator], names)
        probability = self.rho.tr().real
        self.rho = self.rho / probability
        return probability

    def chance(self, operator, names):
        embedded = self.embed(operator, names)
        return (embedded * self.rho).tr().real

    def forget(self, names):
        keep = [self.names.index(name) for name in self.names if name not in names]
        self.rho = self.rho.ptrace(keep) if keep else None
        self.names = [name for name in self.names if name not in names]

    def mix(self, name):
        self.channel([s / 2 for s in S], [name])
        self.memories[name] = type(self.memories[name])()


def axis_projector(axis, outcome):
    sign = 1 - 2 * outcome
    return (S[0] + sign * sum((c * s for c, s in zip(axis, S[1:], strict=True)), start=0 * S[0])) / 2


def bell_projector(outcome):
    return BELL[outcome] * BELL[outcome].dag()
