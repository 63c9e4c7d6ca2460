# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Where the engine's qubits live: the tables, and the steps that every operation takes in them. Laws: store.pyx."""

from libc.math cimport exp
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:                      # status of an item; qstack.quantum.engine.Status says the same
    OK = 0
    STALE = 1                   # the handle names no qubit, or no longer
    EARLY = 2                   # the instant lies before the qubit's last
    SAME_PAIR = 3               # a swap of qubits that already share a state
    UNKNOWN_OPERAND = 4         # no such basis, gate, angle, probability or Clifford
    SAME_QUBIT = 5              # a qubit named twice where two are needed
    NO_ROOM = 6                 # the register would be too large, or all of them together

cdef enum:
    MOST_QUBITS = 10            # of one register: 4^10 doubles, 8 MiB
    PAIR = 16                   # doubles of a slot

cdef enum:                      # flags of a qubit
    ERASED = 1                  # the photon or atom is gone: its index is maximally mixed, and ages no more
    ALONE = 2                   # it shares its slot with a partner, but no correlation

cdef enum:
    NOBODY = 0xFFFFFFFF
    IN_REGISTER = 0x80000000    # of a holder: the rest is the number of a register


cdef struct Kind:               # how one kind of memory forgets
    double t1_ns
    double t2_ns
    double depolarising_ns
    double relaxing             # decay rate of Z, per ns: 1 / T1 + 1 / depolarising lifetime
    double dephasing            # decay rate of X and Y, per ns: 1 / T2 + 1 / depolarising lifetime
    double rest                 # <Z> it relaxes to


cdef struct Qubit:              # 32 octets: the two of a new pair share a cache line, and none crosses one
    int64_t touched_ns          # the state is true for this qubit at this instant
    uint32_t generation         # odd while held
    uint32_t holder             # slot or register; link of the free list while nobody holds it
    uint32_t partner            # entry of the qubit in the other half of the slot, or NOBODY
    uint16_t kind
    uint8_t side                # position of its index in the tensor: 0 or 1 in a slot
    uint8_t flags
    uint64_t reserved


cdef struct Register:           # three qubits or more
    double* r                   # 4^count, row-major, r[0] = 1
    uint32_t count              # 0 while free
    uint32_t next_free
    uint32_t members[MOST_QUBITS]


cdef struct Store:
    double* pairs               # PAIR doubles a slot: r[4 * i + j] = Tr[rho (s_i x s_j)] over I, X, Y, Z
    Qubit* qubits               # two entries a slot
    Register* registers
    Kind* kinds
    uint32_t slots
    uint32_t limit_slots
    uint32_t live_slots
    uint32_t free_slot
    uint32_t free_qubit
    uint32_t retired            # qubit entries whose generations are used up
    uint32_t last_generation
    uint32_t register_slots
    uint32_t live_registers
    uint32_t free_register
    uint32_t register_qubits    # in all registers; each holds the claim to one slot, so that it can always leave
    uint32_t kind_count
    uint64_t tensor_octets      # of all registers
    uint64_t limit_octets


cdef int open_store(Store* store, uint32_t limit_slots, uint64_t limit_octets, uint32_t generations) except -1
cdef void close_store(Store* store) noexcept nogil
cdef bint grow(Store* store, uint32_t needed) noexcept nogil
cdef bint grow_registers(Store* store) noexcept nogil
cdef int intern_kind(Store* store, double t1_ns, double t2_ns, double depolarising_ns) except -1


cdef inline Qubit* find(const Store* store, uint64_t handle) noexcept nogil:
    """The entry that a handle names, or NULL."""
    cdef uint32_t index = <uint32_t>handle
    cdef uint32_t generation = <uint32_t>(handle >> 32)
    if index >= 2 * store.slots or not generation & 1 or store.qubits[index].generation != generation:
        return NULL
    return &store.qubits[index]


cdef inline uint32_t index_of(const Store* store, const Qubit* qubit) noexcept nogil:
    return <uint32_t>(qubit - store.qubits)


cdef inline uint64_t handle_of(const Store* store, uint32_t index) noexcept nogil:
    return <uint64_t>store.qubits[index].generation << 32 | index


cdef inline bint has_room(Store* store, int64_t more) noexcept nogil:
    """Make sure that `more` slots, beside all claims, are there. May move the tables: pointers into them are void."""
    cdef int64_t needed = (<int64_t>store.live_slots + <int64_t>store.register_qubits + <int64_t>store.retired + more)
    if needed <= store.slots:
        return True
    return needed <= store.limit_slots and grow(store, <uint32_t>needed)


cdef inline uint32_t take_slot(Store* store) noexcept nogil:
    """A free slot; `has_room` said that there is one. Its contents are arbitrary."""
    cdef uint32_t slot = store.free_slot
    store.free_slot = (<uint32_t*>&store.pairs[<size_t>PAIR * slot])[0]
    store.live_slots += 1
    return slot


cdef inline void free_slot_of(Store* store, uint32_t slot) noexcept nogil:
    (<uint32_t*>&store.pairs[<size_t>PAIR * slot])[0] = store.free_slot
    store.free_slot = slot
    store.live_slots -= 1


cdef inline Qubit* take_qubit(Store* store, int64_t born_ns, uint16_t kind) noexcept nogil:
    """A new qubit, without a place yet."""
    cdef Qubit* qubit = &store.qubits[store.free_qubit]
    store.free_qubit = qubit.holder
    qubit.generation += 1
    qubit.touched_ns = born_ns
    qubit.kind = kind
    qubit.flags = 0
    qubit.partner = NOBODY
    return qubit


cdef inline void free_qubit_of(Store* store, Qubit* qubit) noexcept nogil:
    """Give an entry back, or retire it: a handle is never given out a second time."""
    qubit.generation += 1
    if qubit.generation >= store.last_generation:
        store.retired += 1
        return
    qubit.holder = store.free_qubit
    store.free_qubit = index_of(store, qubit)


cdef inline double* tensor_of(const Store* store, const Qubit* qubit, Py_ssize_t* size,
                              Py_ssize_t* stride) noexcept nogil:
    """The tensor that a qubit is part of, and the stride of its index."""
    cdef const Register* register
    if qubit.holder & IN_REGISTER:
        register = &store.registers[qubit.holder & ~<uint32_t>IN_REGISTER]
        size[0] = <Py_ssize_t>1 << 2 * register.count
        stride[0] = <Py_ssize_t>1 << 2 * (register.count - 1 - qubit.side)
        return register.r
    size[0] = PAIR
    stride[0] = 1 if qubit.side else 4
    return &store.pairs[<size_t>PAIR * qubit.holder]


cdef inline bint decays(const Store* store, const Qubit* qubit, int64_t instant_ns, double* elapsed_ns) noexcept nogil:
    """Whether a qubit's memory has something to do until an instant."""
    if instant_ns <= qubit.touched_ns or qubit.flags & ERASED or qubit.kind == 0:
        return False
    elapsed_ns[0] = <double>(<uint64_t>instant_ns - <uint64_t>qubit.touched_ns)
    return True


cdef inline void survival(const Kind* kind, double elapsed_ns, double* xy, double* z, double* gain) noexcept nogil:
    """What is left of X and Y, and of Z, and what Z gains of I."""
    xy[0] = exp(-elapsed_ns * kind.dephasing)
    if kind.relaxing == 0.0:
        z[0] = 1.0
        gain[0] = 0.0
    elif kind.relaxing == kind.dephasing:
        z[0] = xy[0]
        gain[0] = kind.rest * (1.0 - z[0])
    else:
        z[0] = exp(-elapsed_ns * kind.relaxing)
        gain[0] = kind.rest * (1.0 - z[0])
