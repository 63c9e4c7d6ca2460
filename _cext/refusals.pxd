# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the engine's batches refuse before anything is done: wrong sizes, and operands that cannot be."""

from libc.math cimport sqrt
from libc.stdint cimport uint16_t

from qstack._cext.store cimport Store


cdef inline int same(Py_ssize_t found, Py_ssize_t wanted) except -1:
    if found != wanted:
        raise ValueError(f"a buffer has {found} items, not {wanted}")
    return 0


cdef inline int check_states(const double[::1] tensors, Py_ssize_t size) except -1:
    """Refuse what is no state, as far as that is seen at a glance: models are positive by construction, and
    `qstack.quantum.states` checks what is not."""
    cdef double squares, most
    cdef Py_ssize_t start, n
    most = sqrt(<double>size) * (1.0 + 1e-9)    # of a pure state: 2^n
    for start in range(0, tensors.shape[0], size):
        if tensors[start] != 1.0:
            raise ValueError("R_00 of a state is 1")
        squares = 0.0
        for n in range(start, start + size):
            if not -1.0 - 1e-9 <= tensors[n] <= 1.0 + 1e-9:
                raise ValueError("a correlation lies in -1..1")
            squares += tensors[n] * tensors[n]
        if squares > most:
            raise ValueError("a state is purer than pure")
    return 0


cdef inline int check_bloch(const double[::1] bloch, double tolerance) except -1:
    cdef Py_ssize_t n
    for n in range(0, bloch.shape[0], 3):
        if not bloch[n] * bloch[n] + bloch[n + 1] * bloch[n + 1] + bloch[n + 2] * bloch[n + 2] <= 1.0 + tolerance:
            raise ValueError("a Bloch vector is not longer than 1")
    return 0


cdef inline int check_kinds(const Store* store, const uint16_t[::1] kinds) except -1:
    cdef Py_ssize_t n
    for n in range(kinds.shape[0]):
        if kinds[n] >= store.kind_count:
            raise ValueError(f"{kinds[n]} is no kind of memory of this engine")
    return 0


cdef inline bint pauli_factors(const double* probabilities, double* factors) noexcept nogil:
    """What Pauli noise leaves of X, Y and Z; False when these are no probabilities."""
    cdef double x = probabilities[0]
    cdef double y = probabilities[1]
    cdef double z = probabilities[2]
    if not (x >= 0.0 and y >= 0.0 and z >= 0.0 and x + y + z <= 1.0 + 1e-12):
        return False
    factors[0] = 1.0 - 2.0 * (y + z)
    factors[1] = 1.0 - 2.0 * (x + z)
    factors[2] = 1.0 - 2.0 * (x + y)
    return True


cdef inline bint unit_vector(const double* axis, double* unit) noexcept nogil:
    """An axis made exactly as long as 1; False when it is not nearly so."""
    cdef double square = axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2]
    cdef int i
    if not 1.0 - 1e-6 <= square <= 1.0 + 1e-6:
        return False
    for i in range(3):
        unit[i] = axis[i] / sqrt(square)
    return True
