# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Swaps of pairs, many at a time: the hot loop of a network of repeaters.

Laws
----
1. The result is that of one item after the other. What is known of later items is only used to ask the memory early for
   their cache lines, first the entries, then, once these are there, slots and partners' entries.
2. A swap touches two slots (two lines each), the entries of the two qubits and those of their partners, nothing else.
3. The measured index comes first ("rows"): row m of a pair is what goes with s_m of the measured half. Ageing acts on
   whole rows, the outcome's probability needs the first element of each, and the contraction is a sum over four.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from qstack._cext.algebra cimport draw_bell
from qstack._cext.operations cimport bell_one
from qstack._cext.store cimport (
    ALONE, EARLY, IN_REGISTER, NOBODY, OK, PAIR, SAME_PAIR, STALE, UNKNOWN_OPERAND, Qubit, Store, decays, find,
    free_qubit_of, free_slot_of, survival,
)

cdef extern from * nogil:
    void __builtin_prefetch(const void* address, int for_writing, int locality)

cdef enum:
    AHEAD_ENTRY = 16            # items
    AHEAD_SLOT = 8

cdef double[4][4] SIGNS = [[1.0, 1.0, -1.0, 1.0], [1.0, -1.0, 1.0, 1.0], [1.0, 1.0, 1.0, -1.0], [1.0, -1.0, -1.0, -1.0]]


cdef void swap_many(Store* store, const uint64_t* firsts, const uint64_t* seconds, const int64_t* instants_ns,
                    const double* uniforms, uint8_t* outcomes, double* probabilities, uint8_t* statuses,
                    Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t n
    cdef uint32_t index, holder
    cdef int side
    # Prefetches stand here and not in functions of their own: compilers take those for functions without effect.
    for n in range(count):
        if n + AHEAD_ENTRY < count:
            for side in range(2):
                index = <uint32_t>(seconds[n + AHEAD_ENTRY] if side else firsts[n + AHEAD_ENTRY])
                if index < 2 * store.slots:
                    __builtin_prefetch(&store.qubits[index], 0, 3)
            for side in range(2):
                index = <uint32_t>(seconds[n + AHEAD_SLOT] if side else firsts[n + AHEAD_SLOT])
                if index < 2 * store.slots:
                    holder = store.qubits[index].holder
                    if holder < store.slots:
                        __builtin_prefetch(&store.pairs[<size_t>PAIR * holder], 0, 3)
                        __builtin_prefetch(&store.pairs[<size_t>PAIR * holder + 8], 0, 3)
                    index = store.qubits[index].partner
                    if index != NOBODY:
                        __builtin_prefetch(&store.qubits[index], 0, 3)
        statuses[n] = swap_one(store, firsts[n], seconds[n], instants_ns[n], uniforms[n], &outcomes[n],
                               &probabilities[n])


cdef inline uint8_t swap_one(Store* store, uint64_t first, uint64_t second, int64_t instant_ns, double uniform,
                             uint8_t* outcome, double* probability) noexcept nogil:
    cdef Qubit* a = find(store, first)
    cdef Qubit* b = find(store, second)
    cdef double[16] left
    cdef double[16] right
    cdef double norm
    cdef double* r
    if a == NULL or b == NULL:
        return STALE
    if not 0.0 <= uniform < 1.0:
        return UNKNOWN_OPERAND
    if a.holder == b.holder:
        return SAME_PAIR
    if (a.holder | b.holder) & IN_REGISTER:
        return bell_one(store, first, second, instant_ns, uniform, outcome, probability)
    if instant_ns < a.touched_ns or instant_ns < b.touched_ns:
        return EARLY
    r = &store.pairs[<size_t>PAIR * a.holder]
    load_rows(r, a.side, left)
    load_rows(&store.pairs[<size_t>PAIR * b.holder], b.side, right)
    age_rows(store, a, instant_ns, left)
    age_rows(store, b, instant_ns, right)
    outcome[0] = draw(left[4] * right[4], left[8] * right[8], left[12] * right[12], uniform, &norm)
    probability[0] = 0.25 * norm
    contract(left, right, SIGNS[outcome[0]], 1.0 / norm, r)
    join(store, a, b)
    return OK


cdef inline void load_rows(const double* r, uint8_t side, double* rows) noexcept nogil:
    """A pair with the index of its half `side` first."""
    cdef int i
    if side == 0:
        for i in range(16):
            rows[i] = r[i]
    else:
        for i in range(4):
            rows[i] = r[4 * i]
            rows[4 + i] = r[4 * i + 1]
            rows[8 + i] = r[4 * i + 2]
            rows[12 + i] = r[4 * i + 3]


cdef inline void age_rows(const Store* store, const Qubit* qubit, int64_t instant_ns, double* rows) noexcept nogil:
    cdef double elapsed, xy, z, gain
    cdef int i
    if not decays(store, qubit, instant_ns, &elapsed):
        return
    survival(&store.kinds[qubit.kind], elapsed, &xy, &z, &gain)
    for i in range(4):
        rows[4 + i] *= xy
        rows[8 + i] *= xy
        rows[12 + i] = z * rows[12 + i] + gain * rows[i]


cdef inline uint8_t draw(double xx, double yy, double zz, double uniform, double* norm) noexcept nogil:
    """`draw_bell` without branches that chance decides; it steps in where an outcome cannot be."""
    cdef double weights[4]
    cdef double reached = 4.0 * uniform
    cdef double below
    cdef uint8_t k
    weights[0] = 1.0 + xx - yy + zz
    weights[1] = 1.0 - xx + yy + zz
    weights[2] = 1.0 + xx + yy - zz
    weights[3] = 1.0 - xx - yy - zz
    if weights[0] <= 1e-14 or weights[1] <= 1e-14 or weights[2] <= 1e-14 or weights[3] <= 1e-14:
        return draw_bell(xx, yy, zz, uniform, norm)
    below = weights[0] + weights[1]
    k = <uint8_t>((reached >= weights[0]) + (reached >= below) + (reached >= below + weights[2]))
    norm[0] = weights[k]
    return k


cdef inline void contract(const double* left, const double* right, const double* signs, double scale,
                          double* joined) noexcept nogil:
    """joined_ij = scale * sum_m signs_m left_mi right_mj."""
    cdef double w0, w1, w2, w3
    cdef int i, j
    for i in range(4):
        w0 = left[i] * scale
        w1 = left[4 + i] * (scale * signs[1])
        w2 = left[8 + i] * (scale * signs[2])
        w3 = left[12 + i] * (scale * signs[3])
        for j in range(4):
            joined[4 * i + j] = w0 * right[j] + w1 * right[4 + j] + w2 * right[8 + j] + w3 * right[12 + j]
    joined[0] = 1.0


cdef inline void join(Store* store, Qubit* a, Qubit* b) noexcept nogil:
    """Make a pair, in a's slot, of the partners of two measured qubits: its first half is a's partner."""
    cdef Qubit* left = NULL
    cdef Qubit* right = NULL
    cdef uint8_t alone = (a.flags | b.flags) & ALONE
    free_slot_of(store, b.holder)
    if a.partner != NOBODY:
        left = &store.qubits[a.partner]
        left.side = 0
        left.partner = b.partner
        left.flags |= alone
    if b.partner != NOBODY:
        right = &store.qubits[b.partner]
        right.holder = a.holder
        right.side = 1
        right.partner = a.partner
        right.flags |= alone
    if left == NULL and right == NULL:
        free_slot_of(store, a.holder)
    if left == NULL and right != NULL:
        right.flags &= ~ALONE
    if right == NULL and left != NULL:
        left.flags &= ~ALONE
    free_qubit_of(store, a)
    free_qubit_of(store, b)
