# What another extension may know of values. Laws: codec.pyx.

from qstack._cext.frozen cimport Frozen


cdef class Value(Frozen):
    pass
