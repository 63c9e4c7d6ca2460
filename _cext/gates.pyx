# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Gates as real maps of Pauli expectations.

Theory
------
A Pauli string is a number: 0..3 for I, X, Y, Z of one qubit, 4 i + j for two. The product of two strings is the XOR of
their numbers, times a power of i; they anticommute when that power is odd.

Every gate here is a product of rotations exp(-i angle Q / 2) about Pauli strings Q. Such a rotation leaves the
expectation of what commutes with Q, and turns that of P, when P Q = +-i P', into cos(angle) <P> +- sin(angle) <P'>. By
a quarter turn the rotation is a signed permutation of Paulis: a Clifford gate, with whole numbers and no rounding.

A Clifford gate of two qubits is also known by the images U g U+ of its generators g = XI, ZI, IX, IZ: they must commute
and anticommute as the generators do, and that is enough. A depolarising error p after a gate multiplies all but the
identity's expectation by 1 - p.

The 24 Cliffords of one qubit are numbered 4 c + f: first a turn c (0 none, 1 H, 2 S, 3 H then S, 4 S then H, 5 sqrt X),
then the Pauli of frame bits f (0 I, 1 Z, 2 X, 3 Y).
"""

from libc.math cimport cos, sin
from libc.stdint cimport int8_t, uint8_t
from libc.string cimport memset

from qstack.base.bell import Gate

cdef enum:
    X = 1
    Y = 2
    Z = 3
    ONE = 4                     # times a Pauli: on the first of two qubits
    CLIFFORDS = 24
    NUMBERS = 256

cdef double EIGHTH = 0.78539816339744830961566


cdef Action fixed[NUMBERS]      # gates without an angle, made once
cdef Action cliffords[CLIFFORDS]


cdef int power_of_i(int p, int q) noexcept nogil:
    """k in P Q = i^k P', over strings of two qubits."""
    return (power_of_i_single(p >> 2, q >> 2) + power_of_i_single(p & 3, q & 3)) & 3


cdef int power_of_i_single(int p, int q) noexcept nogil:
    if p == 0 or q == 0 or p == q:
        return 0
    return 1 if (q - p + 3) % 3 == 1 else 3


cdef void rotation(int string, double c, double s, Step* step) noexcept nogil:
    """A rotation about a Pauli string, by the cosine and sine of its angle."""
    cdef int i, k
    for i in range(16):
        k = power_of_i(i, string)
        step.source[i] = i
        step.other[i] = i ^ string
        step.kept[i] = c if k & 1 else 1.0
        step.gained[i] = 0.0 if not k & 1 else s if k == 1 else -s


cdef void then_permute(Step* step, const Step* turn) noexcept nogil:
    """Let a quarter or half turn follow a signed permutation: a signed permutation again."""
    cdef int source[16]
    cdef double sign[16]
    cdef int i, via
    cdef double factor
    for i in range(16):
        via = turn.source[i] if turn.kept[i] != 0.0 else turn.other[i]
        factor = turn.kept[i] if turn.kept[i] != 0.0 else turn.gained[i]
        source[i] = step.source[via]
        sign[i] = factor * step.kept[via]
    for i in range(16):
        step.source[i] = step.other[i] = source[i]
        step.kept[i] = sign[i]
        step.gained[i] = 0.0


cdef void nothing(Action* action, int qubits) noexcept nogil:
    cdef int i
    memset(action, 0, sizeof(Action))
    action.qubits = qubits
    action.steps = 1
    for i in range(16):
        action.step[0].source[i] = action.step[0].other[i] = i
        action.step[0].kept[i] = 1.0


cdef void then_quarters(Action* action, int string, int quarters) noexcept nogil:
    """Let quarter turns about a Pauli string follow."""
    cdef Step turn
    quarters &= 3
    rotation(string, (quarters == 0) - (quarters == 2), (quarters == 1) - (quarters == 3), &turn)
    then_permute(&action.step[0], &turn)


cdef void make_tables():
    """Write every gate without an angle as quarter turns: (Pauli string, quarters), first to last."""
    hadamard = ((Y, 1), (X, 2))
    words = {
        Gate.I: (), Gate.X: ((X, 2),), Gate.Y: ((Y, 2),), Gate.Z: ((Z, 2),), Gate.H: hadamard,
        Gate.S: ((Z, 1),), Gate.S_DAGGER: ((Z, -1),), Gate.SQRT_X: ((X, 1),), Gate.SQRT_X_DAGGER: ((X, -1),),
        Gate.SQRT_Y: ((Y, 1),), Gate.SQRT_Y_DAGGER: ((Y, -1),),
        Gate.CNOT: ((ONE * Z, 1), (X, 1), (ONE * Z + X, -1)), Gate.CY: ((ONE * Z, 1), (Y, 1), (ONE * Z + Y, -1)),
        Gate.CZ: ((ONE * Z, 1), (Z, 1), (ONE * Z + Z, -1)),
        Gate.SWAP: ((ONE * X + X, 1), (ONE * Y + Y, 1), (ONE * Z + Z, 1)),
        Gate.ISWAP: ((ONE * X + X, -1), (ONE * Y + Y, -1)), Gate.ISWAP_DAGGER: ((ONE * X + X, 1), (ONE * Y + Y, 1)),
        Gate.SQRT_ZZ: ((ONE * Z + Z, 1),),
    }
    turns = ((), hadamard, ((Z, 1),), (*hadamard, (Z, 1)), ((Z, 1), *hadamard), ((X, 1),))
    frames = ((), ((Z, 2),), ((X, 2),), ((Y, 2),))
    for number in range(NUMBERS):
        memset(&fixed[number], 0, sizeof(Action))
    for gate, word in words.items():
        nothing(&fixed[<int>gate], 2 if gate >= Gate.CNOT else 1)
        for string, quarters in word:
            then_quarters(&fixed[<int>gate], string, quarters)
    for number in range(CLIFFORDS):
        nothing(&cliffords[number], 1)
        for string, quarters in turns[number >> 2] + frames[number & 3]:
            then_quarters(&cliffords[number], string, quarters)


cdef void describe(uint8_t gate, double angle, double error, Action* action) noexcept nogil:
    """The action of a gate. `angle` in radians; for CLIFFORD its number; ignored by gates without one."""
    action.qubits = 0
    if not 0.0 <= error <= 1.0:
        return
    if fixed[gate].qubits:
        action[0] = fixed[gate]
    elif gate == CLIFFORD:
        if not 0.0 <= angle < CLIFFORDS or angle != <int>angle:
            return
        action[0] = cliffords[<int>angle]
    elif not turn(gate, angle, action):
        return
    add_error(action, error)


cdef bint turn(uint8_t gate, double angle, Action* action) noexcept nogil:
    """Gates that turn by an angle."""
    if gate == T or gate == T_DAGGER:
        return rotate(1, Z, EIGHTH if gate == T else -EIGHTH, 0, action)
    if not -1e9 <= angle <= 1e9:
        return False
    if gate == RX or gate == RY or gate == RZ:
        return rotate(1, gate - RX + X, angle, 0, action)
    if gate == RXX or gate == RYY or gate == RZZ:
        return rotate(2, (ONE + 1) * (gate - RXX + X), angle, 0, action)
    if gate == CRX:
        return rotate(2, X, angle / 2.0, ONE * Z + X, action)
    if gate == CRZ:
        return rotate(2, Z, angle / 2.0, ONE * Z + Z, action)
    return False


cdef bint rotate(int qubits, int string, double angle, int back, Action* action) noexcept nogil:
    """A rotation, and when `back` names a string, the opposite one about that."""
    cdef double c = cos(angle)
    cdef double s = sin(angle)
    action.qubits = qubits
    action.steps = 2 if back else 1
    rotation(string, c, s, &action.step[0])
    if back:
        rotation(back, c, -s, &action.step[1])
    return True


cdef void add_error(Action* action, double error) noexcept nogil:
    cdef Step* last = &action.step[action.steps - 1]
    cdef int i
    if error > 0.0:
        for i in range(1, 16):
            last.kept[i] *= 1.0 - error
            last.gained[i] *= 1.0 - error


cdef bint describe_clifford(const int8_t* images, double error, Action* action) noexcept nogil:
    """The Clifford of two qubits with these images of XI, ZI, IX, IZ, each a string 1..15 with its sign; or False."""
    cdef int generators[4]
    cdef int i, j, k, image, power
    if not 0.0 <= error <= 1.0:
        return False
    for i in range(4):
        generators[i] = -images[i] if images[i] < 0 else images[i]
        if not 1 <= generators[i] <= 15:
            return False
    for i in range(4):
        for j in range(i):
            if (power_of_i(generators[i], generators[j]) & 1) != (1 if i ^ j == 1 else 0):
                return False
    nothing(action, 2)
    for i in range(16):
        image = power = 0
        for k in range(4):      # of X Z = -i Y, each Y takes one i
            if ((i >> 2 if k < 2 else i & 3) in (X, Y) and k & 1 == 0) or (
                    (i >> 2 if k < 2 else i & 3) in (Y, Z) and k & 1 == 1):
                power += power_of_i(image, generators[k]) + (2 if images[k] < 0 else 0)
                image ^= generators[k]
        power += (1 if i >> 2 == Y else 0) + (1 if i & 3 == Y else 0)
        action.step[0].source[image] = action.step[0].other[image] = i
        action.step[0].kept[image] = -1.0 if power & 2 else 1.0
    add_error(action, error)
    return True


cdef enum:                      # the numbers of qstack.base.bell.Gate that C must know
    T = 11
    T_DAGGER = 12
    RX = 16
    RY = 17
    RZ = 18
    CLIFFORD = 19
    RXX = 48
    RYY = 49
    RZZ = 50
    CRX = 51
    CRZ = 52


make_tables()
