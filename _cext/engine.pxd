# What another module of _cext may know of the pair engine. Laws and theory: engine.pyx.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef struct Half:
    int64_t touched_ns      # the state below is true for this half at this instant
    double t1_ns            # 0: does not relax
    double t2_ns            # 0: does not dephase
    uint32_t qubit          # index into the qubit table; NOBODY when released
    uint32_t flags


cdef struct Pair:
    double r[16]            # r[4 * i + j] = Tr[rho (s_i x s_j)], i of half 0 and j of half 1, over I, X, Y, Z
    Half half[2]


cdef struct Qubit:
    uint32_t place          # 2 * slot + half; link of the free list while nobody holds it
    uint32_t generation     # odd while held


cdef class PairEngine:
    cdef Pair* pairs
    cdef Qubit* qubits
    cdef uint32_t slots
    cdef uint32_t limit_slots
    cdef uint32_t live_slots
    cdef uint32_t free_slot
    cdef uint32_t free_qubit

    cdef int reserve(self, Py_ssize_t more) except -1
    cdef int grow(self, uint32_t slots) except -1
    cdef void chain(self, uint32_t first) noexcept nogil
    cdef uint32_t take_slot(self) noexcept nogil
    cdef void free_slot_of(self, uint32_t slot) noexcept nogil
    cdef uint64_t take_qubit(self, uint32_t place) noexcept nogil
    cdef void free_qubit_of(self, uint32_t index) noexcept nogil
    cdef uint32_t find(self, uint64_t handle) noexcept nogil
    cdef uint8_t touch(self, uint64_t handle, int64_t instant_ns, uint32_t* place) noexcept nogil
    cdef uint8_t swap_one(self, uint64_t first, uint64_t second, int64_t instant_ns, double uniform,
                          uint8_t* outcome, double* probability) noexcept nogil
    cdef void join(self, uint32_t first, uint32_t second, const double* joined) noexcept nogil
    cdef uint8_t measure_one(self, uint64_t handle, uint8_t basis, int64_t instant_ns, double uniform,
                             uint8_t* outcome, double* probability) noexcept nogil
    cdef uint8_t correct_one(self, uint64_t handle, uint8_t pauli, int64_t instant_ns) noexcept nogil
    cdef uint8_t erase_one(self, uint64_t handle, int64_t instant_ns) noexcept nogil
    cdef uint8_t release_one(self, uint64_t handle) noexcept nogil
    cdef uint8_t inspect_one(self, uint64_t handle, int64_t instant_ns, double* r) noexcept nogil
