# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a gate does to Pauli expectations, as at most two sparse steps. Theory: gates.pyx."""

from libc.stdint cimport int8_t, uint8_t


cdef struct Step:               # after[i] = kept[i] * before[source[i]] + gained[i] * before[other[i]]
    int source[16]
    int other[16]
    double kept[16]
    double gained[16]


cdef struct Action:
    int qubits                  # 1 or 2; 0 when there is no such gate
    int steps
    Step step[2]


cdef void describe(uint8_t gate, double angle, double error, Action* action) noexcept nogil
cdef bint describe_clifford(const int8_t* images, double error, Action* action) noexcept nogil
