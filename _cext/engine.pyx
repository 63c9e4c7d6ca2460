# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The pair engine: two-qubit states of a whole network in contiguous slots.

Laws
----
1. A pair is its correlation matrix R_ij = Tr[rho (s_i x s_j)], i, j over I, X, Y, Z: sixteen doubles, R_00 = 1. Every
   two-qubit state has exactly one; nothing is twirled or approximated.
2. Evolution is lazy and local. Each half knows the instant for which it is true, and is brought forward only when it
   is touched. Channels and measurements of one half commute with those of the other, so the two halves of a pair need
   not be touched in the order of time; one half must be, and an instant before its last is refused (`EARLY`).
3. A handle names a qubit from its creation to its release, wherever its state lives: a swap moves states, never
   handles. A handle carries the generation of its entry, so one kept too long is refused (`STALE`), never reused.
4. A batch is a sequence: item after item, each with its own status; a refused item changes nothing.
5. No randomness and no clock: uniform draws in [0, 1) and instants are arguments.

Theory
------
A memory over dt acts on one index by the transfer matrix T: X and Y by e2 = exp(-dt/T2), Z by e1 = exp(-dt/T1), and
Z gains (1 - e1) I, for relaxation ends in |0>. A Bell measurement with outcome k of R's second and S's first qubit
leaves R D_k S / (R D_k S)_00 with probability (R D_k S)_00 / 4, where D_k is the diagonal of the Bell state k itself.
Measuring s_b on the first qubit gives +-1 with probability (1 +- R_b0) / 2 and leaves the product of that eigenstate
and (R_0j +- R_bj) / (1 +- R_b0), so that the partner's later measurement is exact as well.

Room: 192 octets for a slot and 8 for each of its two qubits, 208 a pair.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from qstack._cext.algebra cimport (
    collapse, contract, draw_bell, own_stride, plus_probability, row_of_basis, survival, trace_out, transfer, turn,
)

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** block, size_t alignment, size_t size)

cdef enum:                  # status of an item; qstack.quantum.engine.Status says the same
    OK = 0
    STALE = 1               # the handle names no qubit, or no longer
    EARLY = 2               # the instant lies before the qubit's last
    SAME_PAIR = 3           # a swap of a pair with itself
    UNKNOWN_OPERAND = 4     # no such basis, no such Pauli

cdef enum:
    NOBODY = 0xFFFFFFFF
    ERASED = 1              # flag of a half: the photon or atom is gone, its index is maximally mixed
    CACHE_LINE = 64
    FIRST_SLOTS = 64
    MOST_SLOTS = 0x7FFFFFFE


cdef inline void evolve(double* r, const Half* half, uint32_t side, int64_t instant_ns) noexcept nogil:
    """Bring one half forward to an instant; a matrix apart from its slot, so that looking changes nothing."""
    cdef double elapsed = <double>(instant_ns - half.touched_ns)
    if elapsed > 0.0 and not half.flags & ERASED and (half.t1_ns > 0.0 or half.t2_ns > 0.0):
        transfer(r, side, survival(elapsed, half.t1_ns), survival(elapsed, half.t2_ns))


cdef class PairEngine:
    """Pairs in contiguous slots. Batch calls take and fill one-dimensional contiguous buffers.

    `limit`: most pairs held at once. Handles are unsigned 64-bit and never 0; instants are int64 nanoseconds.
    Each batch call fills `statuses` (uint8, one an item). Not thread-safe: one owner.
    """

    def __cinit__(self, limit: int = 1 << 20):
        if not 0 < limit <= MOST_SLOTS:
            raise ValueError("limit must lie in 1..2147483646")
        self.pairs = NULL
        self.qubits = NULL
        self.slots = 0
        self.live_slots = 0
        self.limit_slots = <uint32_t>limit
        self.free_slot = NOBODY
        self.free_qubit = NOBODY

    def __dealloc__(self):
        free(self.pairs)
        free(self.qubits)

    @property
    def live(self) -> int:
        """Pairs of which at least one qubit is held."""
        return self.live_slots

    @property
    def limit(self) -> int:
        """Most pairs held at once."""
        return self.limit_slots

    @property
    def octets_per_pair(self) -> int:
        """Memory of one pair, its two qubit entries included."""
        return sizeof(Pair) + 2 * sizeof(Qubit)

    # ---- batches ----

    def create(self, const double[::1] correlations, const int64_t[::1] instants_ns, const double[::1] lifetimes_ns,
               uint64_t[::1] handles) -> None:
        """Make n pairs.

        correlations: 16 n, row-major R. instants_ns: 2 n, birth of each half. lifetimes_ns: 4 n, T1 and T2 of half 0,
        T1 and T2 of half 1, 0 for infinite. handles: 2 n, filled. Raises ValueError (sizes, R_00, T2 > 2 T1) and
        MemoryError (limit), before anything is made.
        """
        cdef Py_ssize_t count = handles.shape[0] // 2
        cdef Py_ssize_t n
        cdef uint32_t slot
        cdef int half
        cdef Pair* pair
        same(correlations.shape[0], 16 * count)
        same(instants_ns.shape[0], 2 * count)
        same(lifetimes_ns.shape[0], 4 * count)
        same(handles.shape[0], 2 * count)
        check_states(correlations, lifetimes_ns, count)
        self.reserve(count)
        with nogil:
            for n in range(count):
                slot = self.take_slot()
                pair = &self.pairs[slot]
                memcpy(pair.r, &correlations[16 * n], 16 * sizeof(double))
                for half in range(2):
                    pair.half[half].touched_ns = instants_ns[2 * n + half]
                    pair.half[half].t1_ns = lifetimes_ns[4 * n + 2 * half]
                    pair.half[half].t2_ns = lifetimes_ns[4 * n + 2 * half + 1]
                    pair.half[half].flags = 0
                    handles[2 * n + half] = self.take_qubit(2 * slot + half)

    def decohere(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, uint8_t[::1] statuses) -> None:
        """Bring n qubits forward to their instants."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef uint32_t place
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.touch(handles[n], instants_ns[n], &place)

    def swap(self, const uint64_t[::1] firsts, const uint64_t[::1] seconds, const int64_t[::1] instants_ns,
             const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
             uint8_t[::1] statuses) -> None:
        """n Bell measurements, each of a qubit of one pair with a qubit of another; both are released.

        The two qubits that stay become one pair. outcomes: Bell index 0..3; probabilities: that of the outcome.
        """
        cdef Py_ssize_t count = firsts.shape[0]
        cdef Py_ssize_t n
        same(seconds.shape[0], count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.swap_one(firsts[n], seconds[n], instants_ns[n], uniforms[n], &outcomes[n],
                                            &probabilities[n])

    def measure(self, const uint64_t[::1] handles, const uint8_t[::1] bases, const int64_t[::1] instants_ns,
                const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
                uint8_t[::1] statuses) -> None:
        """n projective measurements. bases: Z 0, X 1, Y 2; outcomes: 0 for eigenvalue +1, 1 for -1.

        The qubit stays held, in the eigenstate found.
        """
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(bases.shape[0], count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.measure_one(handles[n], bases[n], instants_ns[n], uniforms[n], &outcomes[n],
                                               &probabilities[n])

    def correct(self, const uint64_t[::1] handles, const uint8_t[::1] paulis, const int64_t[::1] instants_ns,
                uint8_t[::1] statuses) -> None:
        """Apply n Paulis. paulis: frame bits, 1 = Z part, 2 = X part."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(paulis.shape[0], count)
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.correct_one(handles[n], paulis[n], instants_ns[n])

    def erase(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, uint8_t[::1] statuses) -> None:
        """Lose n qubits: each stays held, maximally mixed, with its erasure flag set."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.erase_one(handles[n], instants_ns[n])

    def release(self, const uint64_t[::1] handles, uint8_t[::1] statuses) -> None:
        """Let go of n qubits; a pair whose both qubits are released is gone."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.release_one(handles[n])

    def inspect(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, double[::1] correlations,
                uint8_t[::1] statuses) -> None:
        """Read the true states of n qubits' pairs, both halves brought to the instant, without touching them.

        correlations: 16 n, the named qubit's index first. A half last touched after the instant is left as it is.
        """
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(instants_ns.shape[0], count)
        same(correlations.shape[0], 16 * count)
        same(statuses.shape[0], count)
        with nogil:
            for n in range(count):
                statuses[n] = self.inspect_one(handles[n], instants_ns[n], &correlations[16 * n])

    # ---- one qubit ----

    def partner(self, uint64_t handle) -> int:
        """Handle of the other qubit of the pair; 0 when there is none or the handle is stale."""
        cdef uint32_t place = self.find(handle)
        cdef uint32_t other
        if place == NOBODY:
            return 0
        other = self.pairs[place >> 1].half[1 - (place & 1)].qubit
        return 0 if other == NOBODY else <uint64_t>self.qubits[other].generation << 32 | other

    def touched_ns(self, uint64_t handle) -> int:
        """The qubit's last instant. Raises KeyError for a stale handle."""
        cdef uint32_t place = self.find(handle)
        if place == NOBODY:
            raise KeyError(handle)
        return self.pairs[place >> 1].half[place & 1].touched_ns

    def erased(self, uint64_t handle) -> bool:
        """The qubit's erasure flag. Raises KeyError for a stale handle."""
        cdef uint32_t place = self.find(handle)
        if place == NOBODY:
            raise KeyError(handle)
        return bool(self.pairs[place >> 1].half[place & 1].flags & ERASED)

    # ---- items of a batch ----

    cdef uint8_t touch(self, uint64_t handle, int64_t instant_ns, uint32_t* place) noexcept nogil:
        """Find a qubit and bring it forward; OK only when it is there and its time has not passed."""
        cdef Half* half
        place[0] = self.find(handle)
        if place[0] == NOBODY:
            return STALE
        half = &self.pairs[place[0] >> 1].half[place[0] & 1]
        if instant_ns < half.touched_ns:
            return EARLY
        evolve(self.pairs[place[0] >> 1].r, half, place[0] & 1, instant_ns)
        half.touched_ns = instant_ns
        return OK

    cdef uint8_t swap_one(self, uint64_t first, uint64_t second, int64_t instant_ns, double uniform,
                          uint8_t* outcome, double* probability) noexcept nogil:
        cdef uint32_t a = self.find(first)
        cdef uint32_t b = self.find(second)
        cdef double joined[16]
        cdef double norm
        cdef Pair* r
        cdef Pair* s
        cdef int r_bound, s_bound
        if a == NOBODY or b == NOBODY:
            return STALE
        if a >> 1 == b >> 1:
            return SAME_PAIR
        r = &self.pairs[a >> 1]
        s = &self.pairs[b >> 1]
        if instant_ns < r.half[a & 1].touched_ns or instant_ns < s.half[b & 1].touched_ns:
            return EARLY
        evolve(r.r, &r.half[a & 1], a & 1, instant_ns)
        evolve(s.r, &s.half[b & 1], b & 1, instant_ns)
        r_bound = own_stride(a & 1)
        s_bound = own_stride(b & 1)
        outcome[0] = draw_bell(r.r, r_bound, s.r, s_bound, uniform, &norm)
        probability[0] = norm / 4.0
        contract(r.r, r_bound, s.r, s_bound, outcome[0], norm, joined)
        self.join(a, b, joined)
        return OK

    cdef void join(self, uint32_t first, uint32_t second, const double* joined) noexcept nogil:
        """Write a swapped pair: its first half is the partner of `first`, its second that of `second`."""
        cdef Pair* kept = &self.pairs[first >> 1]
        cdef Pair* emptied = &self.pairs[second >> 1]
        cdef Half left = kept.half[1 - (first & 1)]
        cdef Half right = emptied.half[1 - (second & 1)]
        self.free_qubit_of(kept.half[first & 1].qubit)
        self.free_qubit_of(emptied.half[second & 1].qubit)
        memcpy(kept.r, joined, 16 * sizeof(double))
        kept.half[0] = left
        kept.half[1] = right
        if left.qubit != NOBODY:
            self.qubits[left.qubit].place = first & <uint32_t>~1
        if right.qubit != NOBODY:
            self.qubits[right.qubit].place = first | 1
        self.free_slot_of(second >> 1)
        if left.qubit == NOBODY and right.qubit == NOBODY:
            self.free_slot_of(first >> 1)

    cdef uint8_t measure_one(self, uint64_t handle, uint8_t basis, int64_t instant_ns, double uniform,
                             uint8_t* outcome, double* probability) noexcept nogil:
        cdef uint32_t place
        cdef uint8_t status
        cdef double* r
        cdef double plus, sign
        cdef int row
        if basis > 2:
            return UNKNOWN_OPERAND
        status = self.touch(handle, instant_ns, &place)
        if status != OK:
            return status
        r = self.pairs[place >> 1].r
        row = row_of_basis(basis)
        plus = plus_probability(r[row * own_stride(place & 1)])
        sign = 1.0 if uniform < plus else -1.0
        outcome[0] = 0 if sign > 0.0 else 1
        probability[0] = plus if sign > 0.0 else 1.0 - plus
        collapse(r, place & 1, row, sign, 2.0 * probability[0])
        return OK

    cdef uint8_t correct_one(self, uint64_t handle, uint8_t pauli, int64_t instant_ns) noexcept nogil:
        cdef uint32_t place
        cdef uint8_t status
        if pauli > 3:
            return UNKNOWN_OPERAND
        status = self.touch(handle, instant_ns, &place)
        if status == OK:
            turn(self.pairs[place >> 1].r, place & 1, pauli)
        return status

    cdef uint8_t erase_one(self, uint64_t handle, int64_t instant_ns) noexcept nogil:
        cdef uint32_t place
        cdef uint8_t status = self.touch(handle, instant_ns, &place)
        if status == OK:
            trace_out(self.pairs[place >> 1].r, place & 1)
            self.pairs[place >> 1].half[place & 1].flags |= ERASED
        return status

    cdef uint8_t release_one(self, uint64_t handle) noexcept nogil:
        cdef uint32_t place = self.find(handle)
        cdef Pair* pair
        if place == NOBODY:
            return STALE
        pair = &self.pairs[place >> 1]
        self.free_qubit_of(pair.half[place & 1].qubit)
        pair.half[place & 1].qubit = NOBODY
        if pair.half[1 - (place & 1)].qubit == NOBODY:
            self.free_slot_of(place >> 1)
        else:
            trace_out(pair.r, place & 1)
        return OK

    cdef uint8_t inspect_one(self, uint64_t handle, int64_t instant_ns, double* r) noexcept nogil:
        cdef uint32_t place = self.find(handle)
        cdef Pair copy
        cdef int own, i, j
        if place == NOBODY:
            return STALE
        copy = self.pairs[place >> 1]
        evolve(copy.r, &copy.half[0], 0, instant_ns)
        evolve(copy.r, &copy.half[1], 1, instant_ns)
        own = own_stride(place & 1)
        for i in range(4):
            for j in range(4):
                r[4 * i + j] = copy.r[own * i + (5 - own) * j]
        return OK

    # ---- slots and handles ----

    cdef uint32_t find(self, uint64_t handle) noexcept nogil:
        """Place of the qubit that a handle names, or NOBODY."""
        cdef uint32_t index = <uint32_t>handle
        cdef uint32_t generation = <uint32_t>(handle >> 32)
        if index >= 2 * self.slots or not generation & 1 or self.qubits[index].generation != generation:
            return NOBODY
        return self.qubits[index].place

    cdef uint64_t take_qubit(self, uint32_t place) noexcept nogil:
        cdef uint32_t index = self.free_qubit
        self.free_qubit = self.qubits[index].place
        self.qubits[index].place = place
        self.qubits[index].generation += 1
        self.pairs[place >> 1].half[place & 1].qubit = index
        return <uint64_t>self.qubits[index].generation << 32 | index

    cdef void free_qubit_of(self, uint32_t index) noexcept nogil:
        self.qubits[index].generation += 1
        self.qubits[index].place = self.free_qubit
        self.free_qubit = index

    cdef uint32_t take_slot(self) noexcept nogil:
        cdef uint32_t slot = self.free_slot
        self.free_slot = self.pairs[slot].half[0].qubit
        self.live_slots += 1
        return slot

    cdef void free_slot_of(self, uint32_t slot) noexcept nogil:
        self.pairs[slot].half[0].qubit = self.free_slot
        self.free_slot = slot
        self.live_slots -= 1

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Make sure that `more` pairs find a slot."""
        cdef Py_ssize_t needed = <Py_ssize_t>self.live_slots + more
        cdef Py_ssize_t slots
        if needed <= self.slots:
            return 0
        if needed > self.limit_slots:
            raise MemoryError("no room for another pair")
        slots = max(FIRST_SLOTS, 2 * <Py_ssize_t>self.slots)
        while slots < needed:
            slots *= 2
        return self.grow(<uint32_t>min(slots, <Py_ssize_t>self.limit_slots))

    cdef int grow(self, uint32_t slots) except -1:
        """Move to a larger block, aligned so that a pair fills whole cache lines."""
        cdef void* pairs = NULL
        cdef void* qubits = NULL
        cdef uint32_t old = self.slots
        if posix_memalign(&pairs, CACHE_LINE, slots * sizeof(Pair)) != 0:
            raise MemoryError("no memory for pairs")
        if posix_memalign(&qubits, CACHE_LINE, 2 * slots * sizeof(Qubit)) != 0:
            free(pairs)
            raise MemoryError("no memory for qubits")
        memset(pairs, 0, slots * sizeof(Pair))
        memset(qubits, 0, 2 * slots * sizeof(Qubit))
        if old:
            memcpy(pairs, self.pairs, old * sizeof(Pair))
            memcpy(qubits, self.qubits, 2 * old * sizeof(Qubit))
        free(self.pairs)
        free(self.qubits)
        self.pairs = <Pair*>pairs
        self.qubits = <Qubit*>qubits
        self.slots = slots
        self.chain(old)
        return 0

    cdef void chain(self, uint32_t first) noexcept nogil:
        """Put the slots from `first` on, and their qubit entries, on the free lists, lowest first."""
        cdef uint32_t slot = self.slots
        cdef uint32_t index
        while slot > first:
            slot -= 1
            self.pairs[slot].half[0].qubit = self.free_slot
            self.free_slot = slot
            for index in range(2 * slot, 2 * slot + 2):
                self.qubits[index].place = self.free_qubit
                self.free_qubit = index


cdef int same(Py_ssize_t found, Py_ssize_t wanted) except -1:
    if found != wanted:
        raise ValueError(f"a buffer has {found} items, not {wanted}")
    return 0


cdef int check_states(const double[::1] correlations, const double[::1] lifetimes_ns, Py_ssize_t count) except -1:
    """Refuse what is no state or no memory. Positivity is the caller's: models are positive by construction."""
    cdef Py_ssize_t n
    cdef double t1, t2
    for n in range(count):
        if correlations[16 * n] != 1.0:
            raise ValueError("R_00 of a state is 1")
    for n in range(16 * count):
        if not -1.0 - 1e-9 <= correlations[n] <= 1.0 + 1e-9:
            raise ValueError("a correlation lies in -1..1")
    for n in range(2 * count):
        t1 = lifetimes_ns[2 * n]
        t2 = lifetimes_ns[2 * n + 1]
        if not (t1 >= 0.0 and t2 >= 0.0):
            raise ValueError("a lifetime is not negative")
        if t1 > 0.0 and not 0.0 < t2 <= 2.0 * t1:
            raise ValueError("T2 may not be longer than twice T1")
    return 0
