# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The state engine: the qubits of a whole network, pairs in contiguous slots and registers of up to ten.

Laws
----
1. A state of n qubits is its Pauli tensor R_ij... = Tr[rho (s_i x s_j x ...)], indices over I, X, Y, Z: 4^n doubles,
   R_00... = 1. Every state has exactly one; nothing is twirled or approximated.
2. Evolution is lazy and local. Each qubit knows the instant for which it is true, and is brought forward only when it
   is touched. Channels and measurements of one qubit commute with those of another, so qubits need not be touched in
   the order of time; one qubit must be, and an instant before its last is refused (`EARLY`).
3. A handle names a qubit from its creation to its release, wherever its state lives: operations move states, never
   handles. A handle kept too long is refused (`STALE`), and none is given out twice.
4. A batch is a sequence: item after item, each with its own status; a refused item changes nothing.
5. No randomness and no clock: uniform draws in [0, 1) and instants are arguments.
6. A gate of two qubits brings them under one holder, and what is measured or released leaves it.

Theory
------
A memory is a sum of relaxation (T1), loss of phase (T2) and depolarisation (D): over dt it takes X and Y of its index
by e2 = exp(-dt/T2 - dt/D), Z by e1 = exp(-dt/T1 - dt/D), and Z gains (1 - e1) (1/T1) / (1/T1 + 1/D) of I, for
relaxation ends in |0>. Two spans in a row are one long span. A Bell measurement with outcome k of R's second and S's
first qubit leaves R D_k S / (R D_k S)_00 with probability (R D_k S)_00 / 4, where D_k is the diagonal of the Bell
state k itself. Measuring along a unit vector b gives +-1 with probability (1 +- b.R_.0) / 2 and leaves the product of
that eigenstate and (R_0j +- b.R_.j) / (1 +- b.R_.0), so that the partner's later measurement is exact as well. Gates:
gates.pyx. Tables, room and claims: store.pyx, registers.pyx.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from qstack._cext.gates cimport Action, describe, describe_clifford
from qstack._cext.operations cimport (
    act_one, bell_one, erase_one, inspect_one, measure_one, release_one, scatter_one, touch,
)
from qstack._cext.refusals cimport check_bloch, check_kinds, check_states, pauli_factors, same, unit_vector
from qstack._cext.registers cimport may_hold, reduced, settle
from qstack._cext.store cimport (
    ALONE, ERASED, IN_REGISTER, MOST_QUBITS, NOBODY, OK, PAIR, UNKNOWN_OPERAND, Qubit, close_store, find,
    handle_of, has_room, index_of, intern_kind, open_store, take_qubit, take_slot,
)
from qstack._cext.swapping cimport swap_many

cdef enum:
    MOST_SLOTS = 0x3FFFFFFF
    MOST_GENERATIONS = 0x7FFFFFFF

cdef double SQRT_HALF = 0.70710678118654752440
cdef double[5][3] AXES = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0],
                          [SQRT_HALF, 0.0, SQRT_HALF], [-SQRT_HALF, 0.0, SQRT_HALF]]


cdef class PairEngine:
    """Qubits in pairs and registers. Batch calls take and fill one-dimensional contiguous buffers (NumPy arrays).

    `limit`: most slots; a pair and a lone qubit take one, a qubit in a register one. `register_octets`: most memory of
    all register tensors. `generations`: how often an entry of the qubit table is used before it is retired. Handles are
    uint64 and never 0; instants are int64 nanoseconds; kinds are uint16 numbers from `kind`. Each batch call fills
    `statuses` (uint8, one an item) and runs without the GIL. A second call from another thread meanwhile raises
    RuntimeError; buffers of a wrong length raise ValueError, before anything is done.

A thousand couples of pairs with ages, swapped in one call; both ends of what stays measured, all let go (NumPy is
    np, `Chance` is of qstack.base, the rest of qstack.quantum):

        n, engine, draws = 1000, PairEngine(), Draws(Chance(b"an example"))
        memory = engine.kind(t1_ns=10e6, t2_ns=4e6)
        handles = np.zeros(4 * n, np.uint64)
        engine.create(np.tile(werner(0.98), 2 * n), np.zeros(4 * n, np.int64), np.full(4 * n, memory, np.uint16), handles)
        left, first, second, right = np.ascontiguousarray(handles.reshape(n, 4).T)
        uniforms, events = np.zeros(n), np.zeros((n, 2), np.uint64)
        events[:, 1] = np.arange(n)
        outcomes, probabilities, statuses = np.zeros(n, np.uint8), np.zeros(n), np.zeros(n, np.uint8)
        draws.fill(events.ravel(), uniforms)
        engine.swap(first, second, np.full(n, 50_000), uniforms, outcomes, probabilities, statuses)
        bits, told, bases, later = np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.full(n, 80_000)
        engine.measure(left, bases, later, (uniforms * 7) % 1, bits, probabilities, statuses)
        engine.measure(right, bases, later, (uniforms * 31) % 1, told, probabilities, statuses)
        told ^= outcomes >> 1  # the X part of the frame turns outcomes of Z
        for qubits in (left, right):
            engine.release(qubits, statuses)
    """

    def __cinit__(self, limit: int = 1 << 20, register_octets: int = 1 << 28, generations: int = MOST_GENERATIONS):
        if not 0 < limit <= MOST_SLOTS:
            raise ValueError(f"limit must lie in 1..{MOST_SLOTS}")
        if not 0 <= register_octets < 1 << 62:
            raise ValueError("register_octets must lie in 0..2^62")
        if not 0 < generations <= MOST_GENERATIONS:
            raise ValueError(f"generations must lie in 1..{MOST_GENERATIONS}")
        open_store(&self.store, <uint32_t>limit, <uint64_t>register_octets, <uint32_t>generations)

    def __dealloc__(self):
        close_store(&self.store)

    @property
    def live(self) -> int:
        """Pairs, lone qubits and registers that are held."""
        return self.store.live_slots + self.store.live_registers

    @property
    def registers(self) -> int:
        """Registers of three qubits or more that are held."""
        return self.store.live_registers

    @property
    def register_octets(self) -> int:
        """Memory of all register tensors now."""
        return self.store.tensor_octets

    @property
    def limit(self) -> int:
        """Most slots."""
        return self.store.limit_slots

    @property
    def octets_per_pair(self) -> int:
        """Memory of one pair, its two qubit entries included."""
        return PAIR * sizeof(double) + 2 * sizeof(Qubit)

    def kind(self, t1_ns: float = 0.0, t2_ns: float = 0.0, depolarising_ns: float = 0.0) -> int:
        """Number of a kind of memory, from its lifetimes, 0 for infinite; 0 is the ideal memory.

        Raises ValueError (negative, T2 > 2 T1) and MemoryError (65535 kinds).
        """
        self.enter()
        try:
            return intern_kind(&self.store, t1_ns, t2_ns, depolarising_ns)
        finally:
            self.busy = False

    # ---- making ----

    def create(self, const double[::1] correlations, const int64_t[::1] instants_ns, const uint16_t[::1] kinds,
               uint64_t[::1] handles) -> None:
        """Make n pairs.

        correlations: 16 n, row-major R. instants_ns, kinds: 2 n, birth and memory of each half. handles: 2 n, filled.
        Raises ValueError (sizes, R_00, unknown kind) and MemoryError (limit), before anything is made.
        """
        cdef Py_ssize_t count = handles.shape[0] // 2
        cdef Py_ssize_t n
        cdef uint32_t slot
        cdef Qubit* left
        cdef Qubit* right
        same(correlations.shape[0], 16 * count)
        same(instants_ns.shape[0], 2 * count)
        same(kinds.shape[0], 2 * count)
        same(handles.shape[0], 2 * count)
        check_states(correlations, 16)
        check_kinds(&self.store, kinds)
        self.enter()
        try:
            if not has_room(&self.store, count):
                raise MemoryError("no room for another pair")
            with nogil:
                for n in range(count):
                    slot = take_slot(&self.store)
                    memcpy(&self.store.pairs[<size_t>PAIR * slot], &correlations[16 * n], PAIR * sizeof(double))
                    left = take_qubit(&self.store, instants_ns[2 * n], kinds[2 * n])
                    right = take_qubit(&self.store, instants_ns[2 * n + 1], kinds[2 * n + 1])
                    left.holder = right.holder = slot
                    left.side = 0
                    right.side = 1
                    left.partner = index_of(&self.store, right)
                    right.partner = index_of(&self.store, left)
                    handles[2 * n] = handle_of(&self.store, right.partner)
                    handles[2 * n + 1] = handle_of(&self.store, left.partner)
        finally:
            self.busy = False

    def prepare(self, const double[::1] bloch, const int64_t[::1] instants_ns, const uint16_t[::1] kinds,
                uint64_t[::1] handles) -> None:
        """Make n lone qubits. bloch: 3 n, <X>, <Y>, <Z> of each, no longer than 1. Otherwise as `create`."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef uint32_t index
        cdef double state[4]
        same(bloch.shape[0], 3 * count)
        same(instants_ns.shape[0], count)
        same(kinds.shape[0], count)
        check_bloch(bloch, 1e-9)
        check_kinds(&self.store, kinds)
        self.enter()
        try:
            if not has_room(&self.store, count):
                raise MemoryError("no room for another qubit")
            with nogil:
                state[0] = 1.0
                for n in range(count):
                    memcpy(&state[1], &bloch[3 * n], 3 * sizeof(double))
                    index = index_of(&self.store, take_qubit(&self.store, instants_ns[n], kinds[n]))
                    settle(&self.store, state, 1, &index)
                    handles[n] = handle_of(&self.store, index)
        finally:
            self.busy = False

    def create_register(self, const double[::1] tensor, const int64_t[::1] instants_ns, const uint16_t[::1] kinds,
                        uint64_t[::1] handles) -> None:
        """Make one state of n qubits. tensor: 4^n; instants_ns, kinds, handles: n. Otherwise as `create`."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef uint32_t members[MOST_QUBITS]
        cdef double* r
        cdef Py_ssize_t i
        if not 1 <= count <= MOST_QUBITS:
            raise ValueError(f"a register has 1..{MOST_QUBITS} qubits")
        same(tensor.shape[0], <Py_ssize_t>1 << 2 * count)
        same(instants_ns.shape[0], count)
        same(kinds.shape[0], count)
        check_states(tensor, tensor.shape[0])
        check_kinds(&self.store, kinds)
        self.enter()
        try:
            if not has_room(&self.store, count) or (count >= 3 and not may_hold(&self.store, <int>count)):
                raise MemoryError("no room for another register")
            r = <double*>malloc(tensor.shape[0] * sizeof(double))
            if r == NULL:
                raise MemoryError("no memory for another register")
            memcpy(r, &tensor[0], tensor.shape[0] * sizeof(double))
            for i in range(count):
                members[i] = index_of(&self.store, take_qubit(&self.store, instants_ns[i], kinds[i]))
                handles[i] = handle_of(&self.store, members[i])
            settle(&self.store, r, <int>count, members)
            if count < 3:
                free(r)
        finally:
            self.busy = False

    # ---- time ----

    def decohere(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, uint8_t[::1] statuses) -> None:
        """Bring n qubits forward to their instants."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef Qubit* qubit
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = touch(&self.store, handles[n], instants_ns[n], &qubit)
        self.busy = False

    def relocate(self, const uint64_t[::1] handles, const uint16_t[::1] kinds, const int64_t[::1] instants_ns,
                 uint8_t[::1] statuses) -> None:
        """Let n qubits go on in other memories, from their instants on."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef Qubit* qubit
        same(kinds.shape[0], count)
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        check_kinds(&self.store, kinds)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = touch(&self.store, handles[n], instants_ns[n], &qubit)
                if statuses[n] == OK:
                    qubit.kind = kinds[n]
        self.busy = False

    def scatter(self, const uint64_t[::1] handles, const double[::1] probabilities, const int64_t[::1] instants_ns,
                uint8_t[::1] statuses) -> None:
        """Pauli noise on n qubits. probabilities: 3 n, of an X, a Y and a Z; the rest is nothing."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef double factors[3]
        same(probabilities.shape[0], 3 * count)
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                if pauli_factors(&probabilities[3 * n], factors):
                    statuses[n] = scatter_one(&self.store, handles[n], factors, instants_ns[n])
                else:
                    statuses[n] = UNKNOWN_OPERAND
        self.busy = False

    # ---- gates ----

    def apply(self, const uint8_t[::1] gates, const uint64_t[::1] firsts, const uint64_t[::1] seconds,
              const double[::1] angles, const double[::1] errors, const int64_t[::1] instants_ns,
              uint8_t[::1] statuses) -> None:
        """n gates (`qstack.base.bell.Gate`). seconds: 0 for gates of one qubit. angles: radians, or the number of a
        CLIFFORD. errors: depolarising probability after the gate, rho -> (1 - p) G rho + p I/2^n on its qubits."""
        cdef Py_ssize_t count = gates.shape[0]
        cdef Py_ssize_t n
        cdef Action action
        same(firsts.shape[0], count)
        same(seconds.shape[0], count)
        same(angles.shape[0], count)
        same(errors.shape[0], count)
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                describe(gates[n], angles[n], errors[n], &action)
                statuses[n] = act_one(&self.store, firsts[n], seconds[n], instants_ns[n], &action)
        self.busy = False

    def clifford(self, const int8_t[::1] images, const uint64_t[::1] firsts, const uint64_t[::1] seconds,
                 const double[::1] errors, const int64_t[::1] instants_ns, uint8_t[::1] statuses) -> None:
        """n Clifford gates of two qubits, any of them. images: 4 n, U g U+ of g = XI, ZI, IX, IZ, each the number of a
        Pauli string (4 i + j, i and j over I, X, Y, Z) with its sign."""
        cdef Py_ssize_t count = firsts.shape[0]
        cdef Py_ssize_t n
        cdef Action action
        same(images.shape[0], 4 * count)
        same(seconds.shape[0], count)
        same(errors.shape[0], count)
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                if describe_clifford(&images[4 * n], errors[n], &action):
                    statuses[n] = act_one(&self.store, firsts[n], seconds[n], instants_ns[n], &action)
                else:
                    statuses[n] = UNKNOWN_OPERAND
        self.busy = False

    # ---- measurements ----

    def swap(self, const uint64_t[::1] firsts, const uint64_t[::1] seconds, const int64_t[::1] instants_ns,
             const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
             uint8_t[::1] statuses) -> None:
        """n Bell measurements, each of qubits that share no state; both are released, what they were entangled with
        becomes one state. outcomes: Bell index 0..3; probabilities: that of the outcome."""
        cdef Py_ssize_t count = firsts.shape[0]
        same(seconds.shape[0], count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        if count == 0:
            return
        self.enter()
        with nogil:
            swap_many(&self.store, &firsts[0], &seconds[0], &instants_ns[0], &uniforms[0], &outcomes[0],
                      &probabilities[0], &statuses[0], count)
        self.busy = False

    def bell_measure(self, const uint64_t[::1] firsts, const uint64_t[::1] seconds, const int64_t[::1] instants_ns,
                     const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
                     uint8_t[::1] statuses) -> None:
        """As `swap`, of any two qubits: those of one pair or register as well."""
        cdef Py_ssize_t count = firsts.shape[0]
        cdef Py_ssize_t n
        same(seconds.shape[0], count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = bell_one(&self.store, firsts[n], seconds[n], instants_ns[n], uniforms[n], &outcomes[n],
                                            &probabilities[n])
        self.busy = False

    def measure(self, const uint64_t[::1] handles, const uint8_t[::1] bases, const int64_t[::1] instants_ns,
                const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
                uint8_t[::1] statuses) -> None:
        """n projective measurements. bases: `qstack.base.bell.Basis`; outcomes: 0 for eigenvalue +1, 1 for -1.

        The qubit stays held, in the eigenstate found, and is entangled with nothing.
        """
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(bases.shape[0], count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                if bases[n] > 4:
                    statuses[n] = UNKNOWN_OPERAND
                else:
                    statuses[n] = measure_one(&self.store, handles[n], AXES[bases[n]], instants_ns[n], uniforms[n],
                                                   &outcomes[n], &probabilities[n])
        self.busy = False

    def measure_along(self, const uint64_t[::1] handles, const double[::1] axes, const int64_t[::1] instants_ns,
                      const double[::1] uniforms, uint8_t[::1] outcomes, double[::1] probabilities,
                      uint8_t[::1] statuses) -> None:
        """As `measure`, along any axes: 3 n, unit vectors x, y, z."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        cdef double axis[3]
        same(axes.shape[0], 3 * count)
        same(instants_ns.shape[0], count)
        same(uniforms.shape[0], count)
        same(outcomes.shape[0], count)
        same(probabilities.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                if unit_vector(&axes[3 * n], axis):
                    statuses[n] = measure_one(&self.store, handles[n], axis, instants_ns[n], uniforms[n], &outcomes[n],
                                                   &probabilities[n])
                else:
                    statuses[n] = UNKNOWN_OPERAND
        self.busy = False

    # ---- the end of qubits ----

    def erase(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, uint8_t[::1] statuses) -> None:
        """Lose n qubits: each stays held, with its erasure flag set, and to gates and measurements it is a maximally
        mixed qubit that ages no more."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(instants_ns.shape[0], count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = erase_one(&self.store, handles[n], instants_ns[n])
        self.busy = False

    def release(self, const uint64_t[::1] handles, uint8_t[::1] statuses) -> None:
        """Let go of n qubits; a pair whose both qubits are released is gone."""
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = release_one(&self.store, handles[n])
        self.busy = False

    # ---- looking ----

    def inspect_pairs(self, const uint64_t[::1] handles, const int64_t[::1] instants_ns, double[::1] correlations,
                      uint8_t[::1] statuses) -> None:
        """Read the true states of n qubits' pairs, both halves brought to the instant, without touching them.

        correlations: 16 n, the named qubit's index first. A half last touched after the instant is left as it is. The
        second index of a qubit that is in no pair is maximally mixed.
        """
        cdef Py_ssize_t count = handles.shape[0]
        cdef Py_ssize_t n
        same(instants_ns.shape[0], count)
        same(correlations.shape[0], 16 * count)
        same(statuses.shape[0], count)
        self.enter()
        with nogil:
            for n in range(count):
                statuses[n] = inspect_one(&self.store, handles[n], instants_ns[n], &correlations[16 * n])
        self.busy = False

    def inspect(self, const uint64_t[::1] handles, int64_t instant_ns, double[::1] tensor) -> int:
        """Read the joint state of n = 1..10 qubits, wherever they live, as `inspect_pairs` does. tensor: 4^n, filled.

        Gives a status.
        """
        cdef Py_ssize_t count = handles.shape[0]
        if not 1 <= count <= MOST_QUBITS:
            raise ValueError(f"1..{MOST_QUBITS} qubits can be inspected together")
        same(tensor.shape[0], <Py_ssize_t>1 << 2 * count)
        self.enter()
        try:
            return reduced(&self.store, &handles[0], <int>count, instant_ns, &tensor[0])
        finally:
            self.busy = False

    def partner(self, uint64_t handle) -> int:
        """Handle of the other qubit of the pair, also when a measurement has left nothing in common; 0 when there is
        none or the handle is stale."""
        cdef Qubit* qubit = self.known(handle)
        if qubit == NULL or qubit.partner == NOBODY:
            return 0
        return handle_of(&self.store, qubit.partner)

    def companions(self, uint64_t handle) -> list[int]:
        """Handles of all qubits of the same state, in the order of its indices; none for a stale handle."""
        cdef Qubit* qubit = self.known(handle)
        if qubit == NULL:
            return []
        if qubit.holder & IN_REGISTER:
            number = qubit.holder & ~<uint32_t>IN_REGISTER
            return [handle_of(&self.store, self.store.registers[number].members[i])
                    for i in range(<int>self.store.registers[number].count)]
        if qubit.partner == NOBODY or qubit.flags & ALONE:
            return [handle]
        other = handle_of(&self.store, qubit.partner)
        return [other, handle] if qubit.side else [handle, other]

    def touched_ns(self, uint64_t handle) -> int:
        """The qubit's last instant. Raises KeyError for a stale handle."""
        cdef Qubit* qubit = self.known(handle)
        if qubit == NULL:
            raise KeyError(handle)
        return qubit.touched_ns

    def erased(self, uint64_t handle) -> bool:
        """Whether the qubit is lost. Raises KeyError for a stale handle."""
        cdef Qubit* qubit = self.known(handle)
        if qubit == NULL:
            raise KeyError(handle)
        return (qubit.flags & ERASED) != 0

    cdef Qubit* known(self, uint64_t handle) except? NULL:
        """The entry of a qubit, or NULL; refused while a batch of another thread runs."""
        if self.busy:
            raise RuntimeError("the engine is busy with a batch of another thread")
        return find(&self.store, handle)

    cdef int enter(self) except -1:
        """Refuse a second call while one runs without the GIL."""
        if self.busy:
            raise RuntimeError("the engine is busy with a batch of another thread")
        self.busy = True
        return 0
