"""A midpoint in Fock space, step by step: what the closed forms of heralding are held to.

Two spins and four modes of light: each end's photon, and, at the second end, the part of its photon that does not look
like the first end's. Modes hold up to two photons. A density matrix, no approximation: loss is a Kraus map, the beam
splitter a unitary, detectors click or do not, dark counts are independent of all else.
"""

from math import comb, sqrt

import numpy as np

LEVELS = 3  # 0, 1 or 2 photons in a mode
PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.array([[1, 0], [0, -1]])]

_LOWER = np.diag([sqrt(n) for n in range(1, LEVELS)], 1)


def kron(*factors):
    out = np.eye(1)
    for factor in factors:
        out = np.kron(out, factor)
    return out


def _loss(seen):
    """Kraus operators of a mode of which the share `seen` is kept."""
    kept = []
    for lost in range(LEVELS):
        operator = np.zeros((LEVELS, LEVELS))
        for n in range(lost, LEVELS):
            operator[n - lost, n] = sqrt(comb(n, lost) * seen ** (n - lost) * (1 - seen) ** lost)
        kept.append(operator)
    return kept


def _beam_splitter():
    """Balanced, on two modes."""
    a, b = np.kron(_LOWER, np.eye(LEVELS)), np.kron(np.eye(LEVELS), _LOWER)
    values, vectors = np.linalg.eigh(1j * (a.T @ b - a @ b.T))
    return vectors @ np.diag(np.exp(-1j * np.pi / 4 * values)) @ vectors.conj().T


_SPLITTERS = kron(_beam_splitter(), _beam_splitter())


def _emit(visibility, first, second):
    """Photons of both ends over modes a1, b1 (alike), a2, b2 (unlike); a2 stays empty."""
    vacuum, one = np.eye(LEVELS)[0], np.eye(LEVELS)[1]
    a1 = one if first else vacuum
    if not second:
        return kron(a1[:, None], vacuum[:, None], vacuum[:, None], vacuum[:, None])[:, 0]
    alike = kron(a1[:, None], one[:, None], vacuum[:, None], vacuum[:, None])[:, 0]
    unlike = kron(a1[:, None], vacuum[:, None], vacuum[:, None], one[:, None])[:, 0]
    return sqrt(visibility) * alike + sqrt(1 - visibility) * unlike


def midpoint(rho, detection, dark, visibility, flipped=False):
    """One round for a state of two spins (4x4). Gives the spins, unnormalised, by which detector clicked alone.

    `flipped`: the dark state emits instead of the bright one.
    """
    light = LEVELS**4
    isometry = np.zeros((4 * light, 4), complex)
    for index in range(4):
        first, second = (index >> 1) ^ flipped, (index & 1) ^ flipped
        isometry[index * light : (index + 1) * light, index] = _emit(visibility, first, second)
    state = (isometry @ rho @ isometry.conj().T).reshape(4, light, 4, light).transpose(0, 2, 1, 3)
    for mode, seen in ((0, detection[0]), (1, detection[1]), (3, detection[1])):  # mode 2 is empty
        kept = [kron(*[each if m == mode else np.eye(LEVELS) for m in range(4)]) for each in _loss(seen)]
        state = sum(each @ state @ each.T for each in kept)
    state = _SPLITTERS @ state @ _SPLITTERS.conj().T
    photons = [np.array([(index // LEVELS ** (3 - mode)) % LEVELS for index in range(light)]) for mode in range(4)]
    seen = (photons[0] + photons[2] > 0, photons[1] + photons[3] > 0)  # modes a leave by one side, b by the other
    quiet = [np.where(each, 0.0, 1.0 - dark) for each in seen]
    found = {}
    for detector in (0, 1):
        weight = (1.0 - quiet[detector]) * quiet[1 - detector]
        found[detector] = np.einsum("ijaa,a->ij", state, weight)
    return found


def correlations(rho):
    return np.array([[np.trace(rho @ np.kron(a, b)).real for b in PAULIS] for a in PAULIS]) / np.trace(rho).real


def singlet_of(n):
    """|Psi_n>: n pairs of a polarisation-entangled source, as (n+1)x(n+1) amplitudes of (H photons at A, at B)."""
    amplitudes = np.zeros((n + 1, n + 1))
    for m in range(n + 1):
        amplitudes[n - m, m] = (-1) ** m / sqrt(n + 1)
    return amplitudes


def one_photon_of(n):
    """Isometries from n symmetric polarisations onto (one photon) x (the other n - 1): rows H, V; by H of n."""
    pick = np.zeros((2, n, n + 1))
    for h in range(n + 1):
        if h:
            pick[0, h - 1, h] = sqrt(h / n)
        if h < n:
            pick[1, h, h] = sqrt((n - h) / n)
    return pick


def one_photon_each(n):
    """Density matrix of one photon of each side of |Psi_n>, all others being lost."""
    pick, amplitudes = one_photon_of(n), singlet_of(n)
    whole = np.einsum("xap,ybq,pq->xyab", pick, pick, amplitudes).reshape(4, -1)
    return whole @ whole.conj().T
