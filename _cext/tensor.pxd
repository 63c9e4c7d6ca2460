# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Arithmetic on Pauli tensors of any number of qubits, inlined into whoever cimports it. Theory: engine.pyx.

A tensor of n qubits is 4^n doubles, row-major, r[0] = 1. The index of the qubit at position p has stride 4^(n - 1 - p).
`rest` is the offset of an element when the indices named are left out: those of the others, counted in order.
"""

from qstack._cext.gates cimport Step


cdef inline Py_ssize_t stride_of(int count, int position) noexcept nogil:
    return <Py_ssize_t>1 << 2 * (count - 1 - position)


cdef inline Py_ssize_t without_one(Py_ssize_t rest, Py_ssize_t stride) noexcept nogil:
    """Offset of the element whose other indices are `rest`, the left-out one I."""
    return (rest & ~(stride - 1)) << 2 | rest & (stride - 1)


cdef inline Py_ssize_t without_two(Py_ssize_t rest, Py_ssize_t low, Py_ssize_t high) noexcept nogil:
    """The same for two indices, of which `low` has the smaller stride."""
    return without_one(without_one(rest, low), high)


cdef enum:
    LANE = 4                    # elements that stand side by side and are treated alike


cdef inline void turn_one(double* r, Py_ssize_t size, Py_ssize_t stride, const Step* step) noexcept nogil:
    """Let a step act on one index. It leaves I alone, so it is a 3x3 matrix on X, Y, Z."""
    cdef double m[9]
    cdef double x, y, z
    cdef Py_ssize_t rest, block, k
    cdef double* element
    cdef int i
    for i in range(9):
        m[i] = 0.0
    for i in range(3):
        m[3 * i + step.source[i + 1] - 1] = step.kept[i + 1]
        if step.gained[i + 1] != 0.0:
            m[3 * i + step.other[i + 1] - 1] = step.gained[i + 1]
    if stride < LANE:
        for rest in range(size >> 2):
            element = r + without_one(rest, stride)
            x = element[stride]
            y = element[2 * stride]
            z = element[3 * stride]
            element[stride] = m[0] * x + m[1] * y + m[2] * z
            element[2 * stride] = m[3] * x + m[4] * y + m[5] * z
            element[3 * stride] = m[6] * x + m[7] * y + m[8] * z
        return
    for block in range(size // (4 * stride)):
        element = r + 4 * stride * block
        for k in range(stride):
            x = element[stride + k]
            y = element[2 * stride + k]
            z = element[3 * stride + k]
            element[stride + k] = m[0] * x + m[1] * y + m[2] * z
            element[2 * stride + k] = m[3] * x + m[4] * y + m[5] * z
            element[3 * stride + k] = m[6] * x + m[7] * y + m[8] * z


cdef inline void turn_two(double* r, Py_ssize_t size, Py_ssize_t first, Py_ssize_t second,
                          const Step* step) noexcept nogil:
    """Let a step act on two indices, given by their strides."""
    cdef Py_ssize_t low = min(first, second)
    cdef Py_ssize_t high = max(first, second)
    cdef Py_ssize_t place[16]
    cdef int changed[16]
    cdef int count = 0
    cdef Py_ssize_t rest
    cdef int i
    for i in range(16):
        place[i] = (i >> 2) * first + (i & 3) * second
        if step.source[i] != i or step.kept[i] != 1.0 or step.gained[i] != 0.0:
            changed[count] = i
            count += 1
    if low < LANE:
        for rest in range(size >> 4):
            turn_element(r + without_two(rest, low, high), place, changed, count, step)
    else:
        for rest in range((size >> 4) // LANE):
            turn_lane(r + without_two(LANE * rest, low, high), place, changed, count, step)


cdef inline void turn_element(double* element, const Py_ssize_t* place, const int* changed, int count,
                              const Step* step) noexcept nogil:
    cdef double before[16]
    cdef int n, i
    for i in range(16):
        before[i] = element[place[i]]
    for n in range(count):
        i = changed[n]
        element[place[i]] = step.kept[i] * before[step.source[i]] + step.gained[i] * before[step.other[i]]


cdef inline void turn_lane(double* element, const Py_ssize_t* place, const int* changed, int count,
                           const Step* step) noexcept nogil:
    cdef double before[16 * LANE]
    cdef double kept, gained
    cdef const double* source
    cdef const double* other
    cdef double* after
    cdef int n, i, k
    for i in range(16):
        for k in range(LANE):
            before[LANE * i + k] = element[place[i] + k]
    for n in range(count):
        i = changed[n]
        kept = step.kept[i]
        gained = step.gained[i]
        source = &before[LANE * step.source[i]]
        other = &before[LANE * step.other[i]]
        after = element + place[i]
        for k in range(LANE):
            after[k] = kept * source[k] + gained * other[k]


cdef inline void age(double* r, Py_ssize_t size, Py_ssize_t stride, double xy, double z, double gain) noexcept nogil:
    """Let a memory act on one index: X and Y decay by `xy`, Z by `z` and gains of I."""
    cdef Py_ssize_t rest
    cdef double* element
    for rest in range(size >> 2):
        element = r + without_one(rest, stride)
        element[stride] *= xy
        element[2 * stride] *= xy
        element[3 * stride] = z * element[3 * stride] + gain * element[0]


cdef inline void scale_one(double* r, Py_ssize_t size, Py_ssize_t stride, const double* factors) noexcept nogil:
    """Multiply X, Y and Z of one index each by its factor: Pauli noise."""
    cdef Py_ssize_t rest
    cdef double* element
    for rest in range(size >> 2):
        element = r + without_one(rest, stride)
        element[stride] *= factors[0]
        element[2 * stride] *= factors[1]
        element[3 * stride] *= factors[2]


cdef inline void project_out(double* r, Py_ssize_t size, Py_ssize_t stride, const double* bloch,
                             double weight) noexcept nogil:
    """Leave out one index, found in the eigenstate of Bloch vector `bloch`; in place, a quarter of the size is left.

    `weight`: twice the probability of that. A zero vector and weight 1 forget the qubit instead.
    """
    cdef Py_ssize_t rest
    cdef const double* element
    for rest in range(size >> 2):
        element = r + without_one(rest, stride)
        r[rest] = (element[0] + bloch[0] * element[stride] + bloch[1] * element[2 * stride]
                   + bloch[2] * element[3 * stride]) / weight
    r[0] = 1.0


cdef inline void project_bell(double* r, Py_ssize_t size, Py_ssize_t first, Py_ssize_t second, const double* signs,
                              double norm) noexcept nogil:
    """Leave out two indices, found in the Bell state of diagonal `signs`; in place. `norm`: four times its chance."""
    cdef Py_ssize_t low = min(first, second)
    cdef Py_ssize_t high = max(first, second)
    cdef Py_ssize_t both = low + high
    cdef Py_ssize_t rest
    cdef const double* element
    for rest in range(size >> 4):
        element = r + without_two(rest, low, high)
        r[rest] = (element[0] + signs[1] * element[both] + signs[2] * element[2 * both]
                   + signs[3] * element[3 * both]) / norm
    r[0] = 1.0


cdef inline void join_bell(const double* r, Py_ssize_t r_size, Py_ssize_t r_stride, const double* s, Py_ssize_t s_size,
                           Py_ssize_t s_stride, const double* signs, double norm, double* joined) noexcept nogil:
    """Join two tensors over an index of each, found together in the Bell state of diagonal `signs`."""
    cdef double weighted[4]
    cdef Py_ssize_t x, y
    cdef const double* left
    cdef const double* right
    cdef int m
    for x in range(r_size >> 2):
        left = r + without_one(x, r_stride)
        for m in range(4):
            weighted[m] = left[m * r_stride] * signs[m] / norm
        for y in range(s_size >> 2):
            right = s + without_one(y, s_stride)
            joined[x * (s_size >> 2) + y] = (weighted[0] * right[0] + weighted[1] * right[s_stride]
                                             + weighted[2] * right[2 * s_stride] + weighted[3] * right[3 * s_stride])
    joined[0] = 1.0


cdef inline void multiply(const double* r, Py_ssize_t r_size, const double* s, Py_ssize_t s_size,
                          double* product) noexcept nogil:
    """The product of two states, r's indices first."""
    cdef Py_ssize_t x, y
    for x in range(r_size):
        for y in range(s_size):
            product[x * s_size + y] = r[x] * s[y]
