# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Slots, registers, qubit entries and kinds of memory: how they are found, made, grown and given back.

Laws
----
1. A slot is sixteen doubles, two whole cache lines: a pair, or a lone qubit whose partner index is maximally mixed.
   Three qubits or more are a register, a tensor of its own. Everything else about a qubit stands in its entry.
2. A handle is an entry's index and generation. Generations go up and never round: an entry that has used up its own is
   retired, so no handle is given out twice.
3. Each slot counts one, each qubit in a register one, each retired entry one, and their sum stays within the slots that
   are there. So whatever leaves a register finds a slot, and whatever finds a slot finds an entry.
4. Memory is bounded by two limits: slots, and octets of all register tensors together.

Room of a pair: 128 octets for its slot, 64 for two entries.
"""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** block, size_t alignment, size_t size)

cdef extern from "sys/mman.h" nogil:
    int madvise(void* address, size_t octets, int advice)
    int MADV_HUGEPAGE

cdef enum:
    HUGE_PAGE = 1 << 21
    SLOT_OCTETS = 128           # also the alignment of a slot
    FIRST_SLOTS = 64
    FIRST_REGISTERS = 16
    MOST_REGISTERS = 0x7FFFFFFF
    MOST_KINDS = 0xFFFF

cdef double SHORTEST_NS = 1e-6


cdef int open_store(Store* store, uint32_t limit_slots, uint64_t limit_octets, uint32_t generations) except -1:
    """An empty store that knows one kind of memory, the ideal one."""
    memset(store, 0, sizeof(Store))
    store.limit_slots = limit_slots
    store.limit_octets = limit_octets
    store.last_generation = 2 * generations
    store.free_slot = NOBODY
    store.free_qubit = NOBODY
    store.free_register = NOBODY
    intern_kind(store, 0.0, 0.0, 0.0)
    return 0


cdef void close_store(Store* store) noexcept nogil:
    cdef uint32_t number
    for number in range(store.register_slots):
        if store.registers[number].count:
            free(store.registers[number].r)
    free(store.registers)
    free(store.pairs)
    free(store.qubits)
    free(store.kinds)
    memset(store, 0, sizeof(Store))


cdef bint grow(Store* store, uint32_t needed) noexcept nogil:
    """Move to larger tables, at least twice as large if the limit allows. False: no memory, and nothing has changed."""
    cdef uint64_t slots = 2 * <uint64_t>store.slots
    cdef uint32_t old = store.slots
    cdef void* pairs
    cdef void* qubits
    slots = max(slots, <uint64_t>needed, <uint64_t>FIRST_SLOTS)
    slots = min(slots, <uint64_t>store.limit_slots)
    pairs = blank(slots * SLOT_OCTETS)
    qubits = blank(2 * slots * sizeof(Qubit))
    if pairs == NULL or qubits == NULL:
        free(pairs)
        free(qubits)
        return False
    if old:
        memcpy(pairs, store.pairs, <size_t>old * SLOT_OCTETS)
        memcpy(qubits, store.qubits, 2 * <size_t>old * sizeof(Qubit))
    free(store.pairs)
    free(store.qubits)
    store.pairs = <double*>pairs
    store.qubits = <Qubit*>qubits
    store.slots = <uint32_t>slots
    chain(store, old)
    return True


cdef void* blank(size_t octets) noexcept nogil:
    """A zeroed block, or NULL. Large ones ask for huge pages: qubits are visited in any order, and with pages of 4 KiB
    each visit would first wait for its address to be translated."""
    cdef void* block = NULL
    cdef bint large = octets >= 2 * <size_t>HUGE_PAGE
    if posix_memalign(&block, HUGE_PAGE if large else SLOT_OCTETS, octets) != 0:
        return NULL
    if large:
        madvise(block, octets, MADV_HUGEPAGE)   # a wish: what does not come is no error
    memset(block, 0, octets)
    return block


cdef void chain(Store* store, uint32_t first) noexcept nogil:
    """Put the slots from `first` on, and their qubit entries, on the free lists, lowest first."""
    cdef uint32_t slot = store.slots
    cdef uint32_t entry
    while slot > first:
        slot -= 1
        (<uint32_t*>&store.pairs[<size_t>PAIR * slot])[0] = store.free_slot
        store.free_slot = slot
        entry = 2 * slot + 2
        while entry > 2 * slot:
            entry -= 1
            store.qubits[entry].holder = store.free_qubit
            store.free_qubit = entry


cdef bint grow_registers(Store* store) noexcept nogil:
    """Double the table of registers. False: no memory, and nothing has changed."""
    cdef uint32_t old = store.register_slots
    cdef uint64_t wanted = max(2 * <uint64_t>old, <uint64_t>FIRST_REGISTERS)
    cdef uint32_t number
    cdef void* moved
    if wanted > MOST_REGISTERS:
        return False
    moved = realloc(store.registers, wanted * sizeof(Register))
    if moved == NULL:
        return False
    store.registers = <Register*>moved
    store.register_slots = <uint32_t>wanted
    number = store.register_slots
    while number > old:
        number -= 1
        store.registers[number].count = 0
        store.registers[number].r = NULL
        store.registers[number].next_free = store.free_register
        store.free_register = number
    return True


cdef int intern_kind(Store* store, double t1_ns, double t2_ns, double depolarising_ns) except -1:
    """Number of a kind of memory; the same lifetimes have the same number. Lifetimes of 0 are infinite."""
    cdef uint32_t number
    cdef Kind* kind
    cdef void* moved
    for number in range(store.kind_count):
        kind = &store.kinds[number]
        if kind.t1_ns == t1_ns and kind.t2_ns == t2_ns and kind.depolarising_ns == depolarising_ns:
            return number
    check_lifetimes(t1_ns, t2_ns, depolarising_ns)
    if store.kind_count == MOST_KINDS:
        raise MemoryError("no room for another kind of memory")
    moved = realloc(store.kinds, (store.kind_count + 1) * sizeof(Kind))
    if moved == NULL:
        raise MemoryError("no memory for another kind of memory")
    store.kinds = <Kind*>moved
    kind = &store.kinds[store.kind_count]
    kind.t1_ns = t1_ns
    kind.t2_ns = t2_ns
    kind.depolarising_ns = depolarising_ns
    kind.relaxing = rate(t1_ns) + rate(depolarising_ns)
    kind.dephasing = rate(t2_ns) + rate(depolarising_ns)
    kind.rest = rate(t1_ns) / kind.relaxing if kind.relaxing > 0.0 else 0.0
    store.kind_count += 1
    return store.kind_count - 1


cdef inline double rate(double lifetime_ns) noexcept nogil:
    return 1.0 / lifetime_ns if lifetime_ns > 0.0 else 0.0


cdef int check_lifetimes(double t1_ns, double t2_ns, double depolarising_ns) except -1:
    if not (t1_ns >= 0.0 and t2_ns >= 0.0 and depolarising_ns >= 0.0):
        raise ValueError("a lifetime is not negative")
    if 0.0 < min(t1_ns or 1.0, t2_ns or 1.0, depolarising_ns or 1.0) < SHORTEST_NS:
        raise ValueError(f"a lifetime is 0, for infinite, or at least {SHORTEST_NS} ns")
    if t1_ns > 0.0 and not 0.0 < t2_ns <= 2.0 * t1_ns:
        raise ValueError("T2 may not be longer than twice T1")
    return 0
