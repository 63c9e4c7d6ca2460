"""Devices by name, so that a configuration need not list numbers. Where each number comes from stands beside it
(HARDWARE-7).

`ideal`: nothing forgets, takes time or fails.

`nv`: a nitrogen-vacancy centre in diamond: an electron spin for communication, carbon spins for storage. The numbers
are the defaults of the NV device of SquidASM (netsquid-netbuilder, `NVQDeviceConfig`, read there), which collect
experiments of several years; that its depolarising probability means what ours does (`memories.Operation`) is taken
from memory, not read. What that device has no single operation for is composed of its own, as noted.

`ensemble`: a cold atomic ensemble with collective excitations. Lifetime and retrieval from the abstract of Bao et al.,
Nature Physics 8 (2012) 517 (arXiv:1207.2894). An excitation that is gone is modelled as a qubit of which nothing is
known, and a photon that is not retrieved as a bit that is told by chance; real devices would flag both, so a network
of these models is worse off than one that discards what is flagged. Durations are chosen, not measured.
"""

from collections.abc import Mapping
from types import MappingProxyType

from qstack.base.units import MICROSECOND_NS, MILLISECOND_NS, SECOND_NS
from qstack.quantum.memories import DeviceModel, GateSet, MemoryBank, MemoryModel, Operation

__all__ = ["PRESETS"]

_NV_READOUT = (0.05, 0.005)  # prob_error_0, prob_error_1
_NV_ELECTRON = MemoryModel(t1_ns=SECOND_NS, t2_ns=300 * MILLISECOND_NS, readout=_NV_READOUT)  # electron_T1, electron_T2
_NV_CARBON = MemoryModel(
    t1_ns=150 * SECOND_NS, t2_ns=1_500 * MILLISECOND_NS,  # carbon_T1, carbon_T2
    readout=_NV_READOUT,  # a carbon spin is read through the electron
)  # fmt: skip
_NV_INITIALISE = Operation(2 * MICROSECOND_NS, 0.05)  # electron_init, electron_init_depolar_prob
_NV_TURN = Operation(5 * MICROSECOND_NS, 0.0)  # electron_rot_x, electron_single_qubit_depolar_prob
_NV_BOTH = Operation(500 * MICROSECOND_NS, 0.008)  # ec_controlled_dir_x, ec_gate_depolar_prob
_NV_MEASURE = Operation(3_700, 0.0)  # measure
_NV_CARBON_INITIALISE = Operation(310 * MICROSECOND_NS, 0.05)  # carbon_init, carbon_init_depolar_prob
_NV_CARBON_TURN = Operation(500 * MICROSECOND_NS, 0.001)  # carbon_rot_x, carbon_z_rot_depolar_prob


def _in_a_row(*operations: Operation) -> Operation:
    """One after the other on the same qubits: durations add, what is left unmixed multiplies."""
    whole = 1.0
    for operation in operations:
        whole *= 1.0 - operation.error
    return Operation(sum(operation.duration_ns for operation in operations), 1.0 - whole)


_NV = DeviceModel(
    MemoryBank(1, _NV_ELECTRON),
    MemoryBank(1, _NV_CARBON),  # num_qubits = 2
    GateSet(
        initialise=_NV_INITIALISE, one_qubit=_NV_TURN, two_qubit=_NV_BOTH, measure=_NV_MEASURE,
        # Both spins to the Bell basis, the electron read; then the carbon taken over by the electron, and read.
        bell_measure=_in_a_row(_NV_BOTH, _NV_TURN, _NV_MEASURE, _NV_BOTH, _NV_TURN, _NV_MEASURE),
        # A swap onto a fresh carbon takes two controlled gates.
        move=_in_a_row(_NV_CARBON_INITIALISE, _NV_BOTH, _NV_TURN, _NV_BOTH, _NV_TURN),
        storage_initialise=_NV_CARBON_INITIALISE, storage_one_qubit=_NV_CARBON_TURN,
    ),
)  # fmt: skip

_RETRIEVAL = 0.73  # Bao 2012: 73(2) % of spin waves become photons
_LOST = (1.0 - _RETRIEVAL) / 2.0
_ENSEMBLE_READ = 1 * MICROSECOND_NS  # chosen: length of a retrieval pulse
_ENSEMBLE = DeviceModel(
    MemoryBank(1, MemoryModel(depolarising_ns=3_200_000, readout=(_LOST, _LOST))),  # Bao 2012: lifetime 3.2(1) ms
    MemoryBank(),
    GateSet(
        initialise=Operation(10 * MICROSECOND_NS, 0.0),  # chosen: optical pumping
        one_qubit=Operation(0, 0.0),  # a wave plate on the way of the retrieved photon
        two_qubit=Operation(0, 1.0),  # there is none: what asks for one gets noise
        measure=Operation(_ENSEMBLE_READ, 0.0),
        bell_measure=Operation(_ENSEMBLE_READ, 0.5),  # linear optics tells two of the four Bell states
        move=Operation(0, 1.0),  # there is none
    ),
)

PRESETS: Mapping[str, DeviceModel] = MappingProxyType(
    {"ideal": DeviceModel(MemoryBank(1), MemoryBank()), "nv": _NV, "ensemble": _ENSEMBLE}
)
"""Each with the number of memories that one such device has."""
