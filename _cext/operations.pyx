# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What is done to one qubit or two: one item of a batch. Laws and theory: engine.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from qstack._cext.algebra cimport collapse, plus_probability, trace_out
from qstack._cext.gates cimport Action
from qstack._cext.registers cimport bell, bell_room, entangle, leave, reduced, settle
from qstack._cext.store cimport (
    ALONE, EARLY, ERASED, IN_REGISTER, NOBODY, NO_ROOM, OK, PAIR, SAME_QUBIT, STALE, UNKNOWN_OPERAND, Qubit,
    Store, decays, find, free_qubit_of, free_slot_of, handle_of, index_of, survival, tensor_of,
)
from qstack._cext.tensor cimport age, scale_one, turn_one, turn_two


cdef inline void bring(Store* store, Qubit* qubit, int64_t instant_ns) noexcept nogil:
    """Bring a qubit forward to an instant that is not before its last."""
    cdef double elapsed, xy, z, gain
    cdef Py_ssize_t size, stride
    cdef double* r
    if decays(store, qubit, instant_ns, &elapsed):
        survival(&store.kinds[qubit.kind], elapsed, &xy, &z, &gain)
        r = tensor_of(store, qubit, &size, &stride)
        age(r, size, stride, xy, z, gain)
    qubit.touched_ns = instant_ns


cdef uint8_t touch(Store* store, uint64_t handle, int64_t instant_ns, Qubit** qubit) noexcept nogil:
    """Find a qubit and bring it forward; OK only when it is there and its time has not passed."""
    qubit[0] = find(store, handle)
    if qubit[0] == NULL:
        return STALE
    if instant_ns < qubit[0].touched_ns:
        return EARLY
    bring(store, qubit[0], instant_ns)
    return OK


cdef uint8_t scatter_one(Store* store, uint64_t handle, const double* factors, int64_t instant_ns) noexcept nogil:
    """Multiply a qubit's X, Y and Z: Pauli noise."""
    cdef Py_ssize_t size, stride
    cdef Qubit* qubit
    cdef double* r
    cdef uint8_t status = touch(store, handle, instant_ns, &qubit)
    if status == OK:
        r = tensor_of(store, qubit, &size, &stride)
        scale_one(r, size, stride, factors)
    return status


cdef uint8_t bell_one(Store* store, uint64_t first, uint64_t second, int64_t instant_ns, double uniform,
                      uint8_t* outcome, double* probability) noexcept nogil:
    cdef Qubit* a = find(store, first)
    cdef Qubit* b = find(store, second)
    cdef uint32_t one, two
    cdef double* joined
    if a == NULL or b == NULL:
        return STALE
    if a == b:
        return SAME_QUBIT
    if not 0.0 <= uniform < 1.0:
        return UNKNOWN_OPERAND
    if instant_ns < a.touched_ns or instant_ns < b.touched_ns:
        return EARLY
    one = index_of(store, a)
    two = index_of(store, b)
    if bell_room(store, one, two, &joined) != OK:
        return NO_ROOM
    bring(store, &store.qubits[one], instant_ns)
    bring(store, &store.qubits[two], instant_ns)
    bell(store, one, two, uniform, joined, outcome, probability)
    return OK


cdef uint8_t measure_one(Store* store, uint64_t handle, const double* axis, int64_t instant_ns, double uniform,
                         uint8_t* outcome, double* probability) noexcept nogil:
    cdef Qubit* qubit
    cdef uint8_t status
    cdef Py_ssize_t size, stride
    cdef double* r
    cdef double plus, sign
    cdef double found[4]
    cdef uint32_t index
    cdef int i
    if not 0.0 <= uniform < 1.0:
        return UNKNOWN_OPERAND
    status = touch(store, handle, instant_ns, &qubit)
    if status != OK:
        return status
    r = tensor_of(store, qubit, &size, &stride)
    plus = plus_probability(axis[0] * r[stride] + axis[1] * r[2 * stride] + axis[2] * r[3 * stride])
    sign = 1.0 if uniform < plus else -1.0
    outcome[0] = 0 if sign > 0.0 else 1
    probability[0] = plus if sign > 0.0 else 1.0 - plus
    found[0] = 1.0
    for i in range(3):
        found[i + 1] = sign * axis[i]
    if qubit.holder & IN_REGISTER:
        index = index_of(store, qubit)
        leave(store, index, &found[1], 2.0 * probability[0])
        settle(store, found, 1, &index)
    else:
        collapse(r, qubit.side, &found[1], 2.0 * probability[0])
        part(store, qubit)
    return OK


cdef void part(Store* store, Qubit* qubit) noexcept nogil:
    """Note that the halves of a slot are no longer correlated."""
    if qubit.partner != NOBODY:
        qubit.flags |= ALONE
        store.qubits[qubit.partner].flags |= ALONE


cdef uint8_t act_one(Store* store, uint64_t first, uint64_t second, int64_t instant_ns, const Action* action) noexcept nogil:
    cdef Qubit* a
    cdef Qubit* b
    cdef uint32_t one, two
    cdef Py_ssize_t size, stride, other
    cdef double* r
    cdef uint8_t status
    cdef int i
    if action.qubits == 0 or (action.qubits == 1) != (second == 0):
        return UNKNOWN_OPERAND
    if action.qubits == 1:
        status = touch(store, first, instant_ns, &a)
        if status == OK:
            r = tensor_of(store, a, &size, &stride)
            turn_one(r, size, stride, &action.step[0])
        return status
    a = find(store, first)
    b = find(store, second)
    if a == NULL or b == NULL:
        return STALE
    if a == b:
        return SAME_QUBIT
    if instant_ns < a.touched_ns or instant_ns < b.touched_ns:
        return EARLY
    one = index_of(store, a)
    two = index_of(store, b)
    if entangle(store, one, two) != OK:
        return NO_ROOM
    a = &store.qubits[one]
    b = &store.qubits[two]
    bring(store, a, instant_ns)
    bring(store, b, instant_ns)
    r = tensor_of(store, a, &size, &stride)
    tensor_of(store, b, &size, &other)
    for i in range(action.steps):
        turn_two(r, size, stride, other, &action.step[i])
    return OK


cdef uint8_t erase_one(Store* store, uint64_t handle, int64_t instant_ns) noexcept nogil:
    cdef Qubit* qubit
    cdef uint8_t status = touch(store, handle, instant_ns, &qubit)
    cdef double mixed[4]
    cdef uint32_t index
    if status != OK:
        return status
    if qubit.holder & IN_REGISTER:
        mixed[0] = 1.0
        mixed[1] = mixed[2] = mixed[3] = 0.0
        index = index_of(store, qubit)
        leave(store, index, &mixed[1], 1.0)
        settle(store, mixed, 1, &index)
    else:
        trace_out(&store.pairs[<size_t>PAIR * qubit.holder], qubit.side)
        part(store, qubit)
    qubit.flags |= ERASED
    return OK


cdef uint8_t release_one(Store* store, uint64_t handle) noexcept nogil:
    cdef Qubit* qubit = find(store, handle)
    cdef double nothing[3]
    cdef Qubit* partner
    if qubit == NULL:
        return STALE
    if qubit.holder & IN_REGISTER:
        nothing[0] = nothing[1] = nothing[2] = 0.0
        leave(store, index_of(store, qubit), nothing, 1.0)
    elif qubit.partner == NOBODY:
        free_slot_of(store, qubit.holder)
    else:
        partner = &store.qubits[qubit.partner]
        partner.partner = NOBODY
        partner.flags &= ~ALONE
        trace_out(&store.pairs[<size_t>PAIR * qubit.holder], qubit.side)
    free_qubit_of(store, qubit)
    return OK


cdef uint8_t inspect_one(Store* store, uint64_t handle, int64_t instant_ns, double* r) noexcept nogil:
    cdef Qubit* qubit = find(store, handle)
    cdef uint64_t both[2]
    cdef double single[4]
    cdef uint8_t status
    cdef int i, j
    if qubit == NULL:
        return STALE
    both[0] = handle
    if qubit.partner != NOBODY:
        both[1] = handle_of(store, qubit.partner)
        return reduced(store, both, 2, instant_ns, r)
    status = reduced(store, both, 1, instant_ns, single)
    for i in range(4):
        for j in range(4):
            r[4 * i + j] = 0.0 if j else single[i]
    return status
