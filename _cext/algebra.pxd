# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Arithmetic on one correlation matrix, inlined into whoever cimports it. Theory: engine.pyx.

A matrix is sixteen doubles, r[4 * i + j]. A half is 0 (index i) or 1 (index j). `own` is the stride of a half's index
and `other` that of its partner's: one is 4 and the other 1, so their sum is 5.
"""

from libc.stdint cimport uint8_t, uint32_t


cdef inline int own_stride(uint32_t half) noexcept nogil:
    return 1 if half else 4


cdef inline void pauli_signs(uint8_t frame, double* signs) noexcept nogil:
    """Signs that the Pauli of two frame bits (1 = Z part, 2 = X part) gives to I, X, Y, Z."""
    signs[0] = 1.0
    signs[1] = 1.0 - 2.0 * (frame & 1)
    signs[3] = 1.0 - (frame & 2)
    signs[2] = signs[1] * signs[3]


cdef inline void bell_signs(uint8_t bell, double* signs) noexcept nogil:
    """Diagonal of the correlation matrix of a Bell state; D_k of a swap."""
    pauli_signs(bell, signs)
    signs[2] = -signs[2]


cdef inline void trace_out(double* r, uint32_t half) noexcept nogil:
    """Forget one half: its index becomes maximally mixed."""
    cdef int own = own_stride(half)
    cdef int other = 5 - own
    cdef int i, j
    for j in range(4):
        for i in range(1, 4):
            r[j * other + i * own] = 0.0


cdef inline void collapse(double* r, uint32_t half, const double* bloch, double weight) noexcept nogil:
    """Project one half on the pure state of a Bloch vector; weight = 1 + bloch . <s>, twice the probability."""
    cdef int own = own_stride(half)
    cdef int other = 5 - own
    cdef double* column
    cdef double left
    cdef int i, j
    for j in range(4):
        column = r + j * other
        left = 1.0
        if j:
            left = (column[0] + bloch[0] * column[own] + bloch[1] * column[2 * own] + bloch[2] * column[3 * own]) / weight
        column[0] = left
        for i in range(3):
            column[(i + 1) * own] = bloch[i] * left


cdef inline uint8_t draw_bell(double xx, double yy, double zz, double uniform, double* norm) noexcept nogil:
    """Choose a Bell outcome by one uniform draw, from correlations of the two; norm = four times its probability."""
    cdef double signs[4]
    cdef double left = 4.0 * uniform
    cdef double likeliest = -1.0
    cdef double weight
    cdef uint8_t best = 0
    cdef uint8_t k
    for k in range(4):
        bell_signs(k, signs)
        weight = 1.0 + signs[1] * xx + signs[2] * yy + signs[3] * zz
        if weight > likeliest:
            likeliest = weight
            best = k
        if weight > 1e-14:
            if left < weight:
                norm[0] = weight
                return k
            left -= weight
    # Rounding let the draw fall past the last outcome: never answer with one that cannot be.
    norm[0] = likeliest
    return best


cdef inline double plus_probability(double expectation) noexcept nogil:
    """Probability of eigenvalue +1; what rounding left of an impossible outcome is none."""
    if expectation > 1.0 - 1e-14:
        return 1.0
    return (1.0 + expectation) / 2.0 if expectation > -1.0 + 1e-14 else 0.0
