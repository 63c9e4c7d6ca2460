# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""States that change their holder: what a slot or a register holds, joined, shrunk and taken apart.

Laws
----
1. One qubit, or two, live in a slot; three or more in a register. A register of two becomes a slot again.
2. Every function that can be refused says so before anything has changed; those without a status cannot be refused.
3. A slot whose halves are flagged ALONE is a product: it is taken apart when one half joins a larger state, so what was
   measured never drags its old partner along.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from qstack._cext.algebra cimport bell_signs, draw_bell, trace_out
from qstack._cext.store cimport (
    ALONE, ERASED, IN_REGISTER, MOST_QUBITS, NOBODY, NO_ROOM, OK, PAIR, SAME_QUBIT, STALE, Qubit, Register, Store,
    decays, find, free_qubit_of, free_slot_of, grow_registers, has_room, survival, take_slot, tensor_of,
)
from qstack._cext.tensor cimport age, join_bell, multiply, project_bell, project_out, stride_of


cdef struct Content:            # a state in compact form
    double* r
    int count
    uint32_t holder
    bint parted                 # the other half of its slot stays there
    uint32_t members[MOST_QUBITS]
    double lone[4]


cdef inline size_t octets_of(int count) noexcept nogil:
    return sizeof(double) << 2 * count


cdef void look(Store* store, uint32_t index, Content* content) noexcept nogil:
    """The state that a qubit is part of. Points into the store: void when tables move."""
    cdef Qubit* qubit = &store.qubits[index]
    cdef Register* register
    cdef double* r
    cdef int i
    content.holder = qubit.holder
    content.parted = False
    if qubit.holder & IN_REGISTER:
        register = &store.registers[qubit.holder & ~<uint32_t>IN_REGISTER]
        content.r = register.r
        content.count = register.count
        memcpy(content.members, register.members, sizeof(register.members))
        return
    r = &store.pairs[<size_t>PAIR * qubit.holder]
    if qubit.partner == NOBODY or qubit.flags & ALONE:
        for i in range(4):
            content.lone[i] = r[i if qubit.side else 4 * i]
        content.r = content.lone
        content.count = 1
        content.members[0] = index
        content.parted = qubit.partner != NOBODY
        return
    content.r = r
    content.count = 2
    content.members[qubit.side] = index
    content.members[1 - qubit.side] = qubit.partner


cdef int claim(const Content* content) noexcept nogil:
    """Slots that go back when a state is vacated."""
    return 0 if content.parted else 1 if content.count <= 2 else content.count


cdef void vacate(Store* store, Content* content) noexcept nogil:
    """Empty a holder; its qubits have no place until they are settled."""
    cdef Qubit* qubit
    cdef Qubit* partner
    if content.holder & IN_REGISTER:
        free(store.registers[content.holder & ~<uint32_t>IN_REGISTER].r)
        forget_register(store, content.holder & ~<uint32_t>IN_REGISTER)
    elif content.parted:
        qubit = &store.qubits[content.members[0]]
        partner = &store.qubits[qubit.partner]
        partner.partner = NOBODY
        partner.flags &= ~ALONE
        trace_out(&store.pairs[<size_t>PAIR * content.holder], qubit.side)
    else:
        free_slot_of(store, content.holder)


cdef void forget_register(Store* store, uint32_t number) noexcept nogil:
    cdef Register* register = &store.registers[number]
    store.tensor_octets -= octets_of(register.count)
    store.register_qubits -= register.count
    store.live_registers -= 1
    register.count = 0
    register.r = NULL
    register.next_free = store.free_register
    store.free_register = number


cdef bint may_hold(Store* store, int count) noexcept nogil:
    """Whether there is room for one more register of so many qubits. May move the table of registers."""
    if count > MOST_QUBITS or store.tensor_octets + octets_of(count) > store.limit_octets:
        return False
    return store.free_register != NOBODY or grow_registers(store)


cdef void settle(Store* store, double* r, int count, const uint32_t* members) noexcept nogil:
    """Give qubits a holder: a slot, which copies `r`, or a register, which from three qubits on takes it over."""
    cdef double* slot
    cdef uint32_t holder
    cdef int i
    if count == 0:
        return
    if count >= 3:
        settle_register(store, r, count, members)
        return
    holder = take_slot(store)
    slot = &store.pairs[<size_t>PAIR * holder]
    memset(slot, 0, PAIR * sizeof(double))
    for i in range(4 if count == 1 else PAIR):
        slot[4 * i if count == 1 else i] = r[i]
    for i in range(count):
        place(store, members[i], holder, i)
        store.qubits[members[i]].partner = NOBODY if count == 1 else members[1 - i]


cdef void settle_register(Store* store, double* r, int count, const uint32_t* members) noexcept nogil:
    cdef uint32_t number = store.free_register
    cdef Register* register = &store.registers[number]
    cdef int i
    store.free_register = register.next_free
    store.live_registers += 1
    store.register_qubits += count
    store.tensor_octets += octets_of(count)
    register.r = r
    register.count = count
    for i in range(count):
        register.members[i] = members[i]
        place(store, members[i], number | IN_REGISTER, i)


cdef inline void place(Store* store, uint32_t index, uint32_t holder, int side) noexcept nogil:
    cdef Qubit* qubit = &store.qubits[index]
    qubit.holder = holder
    qubit.side = side
    qubit.flags &= ERASED
    qubit.partner = NOBODY


cdef uint8_t entangle(Store* store, uint32_t first, uint32_t second) noexcept nogil:
    """Bring two qubits under one holder. NO_ROOM, or OK; the physical state is the same either way."""
    cdef Content left, right
    cdef uint32_t members[MOST_QUBITS]
    cdef double pair[PAIR]
    cdef double* joined = pair
    cdef int count
    if store.qubits[first].holder == store.qubits[second].holder:
        store.qubits[first].flags &= ~ALONE
        store.qubits[second].flags &= ~ALONE
        return OK
    look(store, first, &left)
    look(store, second, &right)
    count = left.count + right.count
    if count >= 3:
        if not may_hold(store, count) or not has_room(store, count - claim(&left) - claim(&right)):
            return NO_ROOM
        joined = <double*>malloc(octets_of(count))
        if joined == NULL:
            return NO_ROOM
        look(store, first, &left)       # tables may have moved
        look(store, second, &right)
    elif not has_room(store, 1 - claim(&left) - claim(&right)):
        return NO_ROOM
    else:
        look(store, first, &left)
        look(store, second, &right)
    multiply(left.r, <Py_ssize_t>1 << 2 * left.count, right.r, <Py_ssize_t>1 << 2 * right.count, joined)
    memcpy(members, left.members, left.count * sizeof(uint32_t))
    memcpy(&members[left.count], right.members, right.count * sizeof(uint32_t))
    vacate(store, &left)
    vacate(store, &right)
    settle(store, joined, count, members)
    return OK


cdef void leave(Store* store, uint32_t leaving, const double* bloch, double weight) noexcept nogil:
    """Take a qubit out of its register, found in the pure state `bloch` (see `project_out`); it has no place then."""
    cdef uint32_t number = store.qubits[leaving].holder & ~<uint32_t>IN_REGISTER
    cdef Register* register = &store.registers[number]
    cdef uint32_t out[1]
    project_out(register.r, <Py_ssize_t>1 << 2 * register.count,
                stride_of(register.count, store.qubits[leaving].side), bloch, weight)
    out[0] = leaving
    shrink(store, number, out, 1)


cdef void shrink(Store* store, uint32_t number, const uint32_t* out, int gone) noexcept nogil:
    """Strike qubits off a register whose tensor is already without them."""
    cdef Register* register = &store.registers[number]
    cdef uint32_t members[MOST_QUBITS]
    cdef double small[PAIR]
    cdef int left = 0
    cdef int i
    cdef void* moved
    for i in range(<int>register.count):
        if register.members[i] != out[0] and register.members[i] != out[gone - 1]:
            members[left] = register.members[i]
            left += 1
    if left <= 2:
        memcpy(small, register.r, octets_of(left))
        free(register.r)
        forget_register(store, number)
        settle(store, small, left, members)
        return
    store.tensor_octets -= octets_of(register.count) - octets_of(left)
    store.register_qubits -= gone
    moved = realloc(register.r, octets_of(left))
    if moved != NULL:
        register.r = <double*>moved
    register.count = left
    for i in range(left):
        register.members[i] = members[i]
        place(store, members[i], number | IN_REGISTER, i)


# ---- Bell measurements of any two qubits ----

cdef uint8_t bell_room(Store* store, uint32_t first, uint32_t second, double** joined) noexcept nogil:
    """Whether what stays of a Bell measurement finds a holder; `joined` is room for it if it needs more than a slot."""
    cdef Content left, right
    cdef int count
    joined[0] = NULL
    if store.qubits[first].holder == store.qubits[second].holder:
        return OK
    look(store, first, &left)
    look(store, second, &right)
    count = left.count + right.count - 2
    if count >= 3 and not may_hold(store, count):
        return NO_ROOM
    if not has_room(store, (count if count >= 3 else 1 if count else 0) - claim(&left) - claim(&right)):
        return NO_ROOM
    if count >= 3:
        joined[0] = <double*>malloc(octets_of(count))
        if joined[0] == NULL:
            return NO_ROOM
    return OK


cdef void bell(Store* store, uint32_t first, uint32_t second, double uniform, double* joined, uint8_t* outcome,
               double* probability) noexcept nogil:
    """Measure two qubits, both brought to the instant, and release them. `bell_room` said OK and made `joined`."""
    if store.qubits[first].holder == store.qubits[second].holder:
        bell_within(store, first, second, uniform, outcome, probability)
    else:
        bell_between(store, first, second, uniform, joined, outcome, probability)


cdef void bell_within(Store* store, uint32_t first, uint32_t second, double uniform, uint8_t* outcome,
                      double* probability) noexcept nogil:
    """Of one pair, which is gone then, or of one register."""
    cdef Qubit* one = &store.qubits[first]
    cdef Qubit* two = &store.qubits[second]
    cdef Py_ssize_t size, a, b
    cdef double* r = tensor_of(store, one, &size, &a)
    cdef uint32_t holder = one.holder
    cdef uint32_t out[2]
    cdef double signs[4]
    cdef double norm
    tensor_of(store, two, &size, &b)
    outcome[0] = draw_bell(r[a + b], r[2 * (a + b)], r[3 * (a + b)], uniform, &norm)
    probability[0] = norm / 4.0
    if holder & IN_REGISTER:
        bell_signs(outcome[0], signs)
        project_bell(r, size, a, b, signs, norm)
        out[0] = first
        out[1] = second
        shrink(store, holder & ~<uint32_t>IN_REGISTER, out, 2)
    else:
        free_slot_of(store, holder)
    free_qubit_of(store, &store.qubits[first])
    free_qubit_of(store, &store.qubits[second])


cdef void bell_between(Store* store, uint32_t first, uint32_t second, double uniform, double* joined,
                       uint8_t* outcome, double* probability) noexcept nogil:
    """Of two holders, of which one remains."""
    cdef Content left, right
    cdef uint32_t members[2 * MOST_QUBITS]
    cdef double small[PAIR]
    cdef double signs[4]
    cdef double norm
    cdef Py_ssize_t a, b
    cdef int count = 0
    cdef int i
    look(store, first, &left)
    look(store, second, &right)
    a = stride_of(left.count, position(&left, first))
    b = stride_of(right.count, position(&right, second))
    outcome[0] = draw_bell(left.r[a] * right.r[b], left.r[2 * a] * right.r[2 * b], left.r[3 * a] * right.r[3 * b],
                           uniform, &norm)
    probability[0] = norm / 4.0
    bell_signs(outcome[0], signs)
    if joined == NULL:
        joined = small
    join_bell(left.r, <Py_ssize_t>1 << 2 * left.count, a, right.r, <Py_ssize_t>1 << 2 * right.count, b, signs, norm,
              joined)
    for i in range(left.count):
        if left.members[i] != first:
            members[count] = left.members[i]
            count += 1
    for i in range(right.count):
        if right.members[i] != second:
            members[count] = right.members[i]
            count += 1
    vacate(store, &left)
    vacate(store, &right)
    settle(store, joined, count, members)
    free_qubit_of(store, &store.qubits[first])
    free_qubit_of(store, &store.qubits[second])


cdef int position(const Content* content, uint32_t index) noexcept nogil:
    cdef int i = 0
    while content.members[i] != index:
        i += 1
    return i


# ---- looking ----

cdef uint8_t reduced(Store* store, const uint64_t* handles, int count, int64_t instant_ns, double* state) noexcept nogil:
    """The joint state of up to ten qubits at an instant, wherever they live; nothing is touched."""
    cdef Qubit* qubits[MOST_QUBITS]
    cdef bint done[MOST_QUBITS]
    cdef double* part
    cdef Py_ssize_t element
    cdef int i, j
    for i in range(count):
        qubits[i] = find(store, handles[i])
        done[i] = False
        if qubits[i] == NULL:
            return STALE
        for j in range(i):
            if qubits[j] == qubits[i]:
                return SAME_QUBIT
    part = <double*>malloc(octets_of(count))
    if part == NULL:
        return NO_ROOM
    for element in range(<Py_ssize_t>1 << 2 * count):
        state[element] = 1.0
    for i in range(count):
        if not done[i]:
            multiply_reduced(store, qubits, done, i, count, instant_ns, part, state)
    free(part)
    return OK


cdef void multiply_reduced(Store* store, Qubit** qubits, bint* done, int first, int count, int64_t instant_ns,
                           double* part, double* state) noexcept nogil:
    """Multiply by the reduced state of all those that share the holder of the first, and note them as done."""
    cdef Py_ssize_t size, stride, element
    cdef Py_ssize_t strides[MOST_QUBITS]
    cdef double* r = NULL
    cdef double elapsed, xy, z, gain
    cdef int i
    for i in range(count):
        strides[i] = 0
        if qubits[i].holder == qubits[first].holder:
            r = tensor_of(store, qubits[i], &size, &strides[i])
            done[i] = True
    for element in range(<Py_ssize_t>1 << 2 * count):
        stride = 0
        for i in range(count):
            stride += strides[i] * (element >> 2 * (count - 1 - i) & 3)
        part[element] = r[stride]
    for i in range(count):
        if strides[i] and decays(store, qubits[i], instant_ns, &elapsed):
            survival(&store.kinds[qubits[i].kind], elapsed, &xy, &z, &gain)
            age(part, <Py_ssize_t>1 << 2 * count, stride_of(count, i), xy, z, gain)
    for element in range(<Py_ssize_t>1 << 2 * count):
        state[element] *= part[element]
