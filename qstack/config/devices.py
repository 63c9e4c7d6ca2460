"""A node's quantum device, as configurations describe it: a preset by name, and what is different about this one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from qstack.base.errors import LocalMisuse
from qstack.config.problem import Problem, shown
from qstack.config.value import Section, about
from qstack.quantum.memories import DeviceModel, GateSet, MemoryBank, MemoryModel, Operation
from qstack.quantum.presets import PRESETS

__all__ = ["Device", "Gate", "Gates", "Memory", "check_device", "device_model"]

_MOST_MISREAD = 0.5


class Memory(Section):
    """How memories forget and are read. What is left out is as the preset says."""

    t1_ns: Annotated[int | None, about("relaxation time in ns, 0 for infinite", 1_000_000_000, ge=0)] = None
    t2_ns: Annotated[int | None, about("dephasing time in ns, 0 for infinite, at most twice t1-ns", 500_000_000,
                                       ge=0)] = None  # fmt: skip
    depolarising_ns: Annotated[int | None, about("time in ns in which correlations of a stored qubit shrink to 1/e, 0 "
                                                 "for infinite", 1_000_000_000, ge=0)] = None  # fmt: skip
    readout_error: Annotated[
        float | tuple[float, ...] | None,
        about("probability that a measured bit is told wrongly, 0 to 0.5; a list of two: that a 0 is, that a 1 is",
              [0.05, 0.005]),
    ] = None  # fmt: skip


class Gate(Section):
    """What an operation costs. What is left out is as the preset says."""

    duration_ns: Annotated[int | None, about("duration in ns", 5_000, ge=0)] = None
    error: Annotated[float | None, about("probability that it leaves its qubits completely mixed, 0 to 1", 0.008,
                                         ge=0.0, le=1.0)] = None  # fmt: skip


class Gates(Section):
    """What is different about the device's operations. What is left out is as the preset says."""

    initialise: Gate | None = None
    one_qubit: Gate | None = None
    two_qubit: Gate | None = None
    measure: Gate | None = None
    bell_measure: Gate | None = None
    move: Gate | None = None
    storage_initialise: Gate | None = None
    storage_one_qubit: Gate | None = None


class Device(Memory, kw_only=True):
    """A quantum device. Lifetimes and readout errors that stand here are those of its communication memories."""

    device: Annotated[Literal["ideal", "nv", "ensemble"], about("preset that the device begins with (section 7 of the "
                      "hardware note)", "nv")] = "ideal"  # fmt: skip
    storage_qubits: Annotated[
        int | None,
        about("number of memories that only keep what is moved into them; as many as the preset has when left out", 4,
              ge=0, le=(1 << 20) - 1),
    ] = None  # fmt: skip
    storage: Memory | None = None
    gates: Gates | None = None


def device_model(device: Device, qubits: int) -> DeviceModel:
    """The quantum room's model, with `qubits` communication memories. A device without them has no others.

    Raises `LocalMisuse` when T2 > 2 T1, and for more memories than a device has.
    """
    preset = PRESETS[device.device]
    stored = preset.storage.count if device.storage_qubits is None else device.storage_qubits
    communication = MemoryBank(qubits, _memory(device, preset.communication.model))
    storage = MemoryBank(stored if qubits else 0, _memory(device.storage, preset.storage.model))
    return DeviceModel(communication, storage, _gates(device.gates, preset.gates))


def _memory(memory: Memory | None, preset: MemoryModel) -> MemoryModel:
    if memory is None:
        return preset
    return MemoryModel(
        preset.t1_ns if memory.t1_ns is None else memory.t1_ns,
        preset.t2_ns if memory.t2_ns is None else memory.t2_ns,
        preset.depolarising_ns if memory.depolarising_ns is None else memory.depolarising_ns,
        preset.readout if memory.readout_error is None else _readout(memory.readout_error),
    )


def _readout(told: float | tuple[float, ...]) -> tuple[float, float]:
    return (told, told) if isinstance(told, float) else (told[0], told[1])


def _gates(gates: Gates | None, preset: GateSet) -> GateSet:
    if gates is None:
        return preset
    changed = {
        name: _operation(gate, getattr(preset, name) or getattr(preset, name.removeprefix("storage_")))
        for name in gates.__struct_fields__ if (gate := getattr(gates, name)) is not None
    }  # fmt: skip
    return replace(preset, **changed)


def _operation(gate: Gate, preset: Operation) -> Operation:
    return Operation(
        preset.duration_ns if gate.duration_ns is None else gate.duration_ns,
        preset.error if gate.error is None else gate.error,
    )


def check_device(device: Device, path: str) -> Iterator[Problem]:
    """T2 <= 2 T1, and readout errors that are probabilities of at most a half."""
    told = [*_check_readout(device, path)]
    if device.storage is not None:
        told += _check_readout(device.storage, f"{path}.storage")
    yield from told
    if told:
        return
    preset = PRESETS[device.device]
    banks = ((device, path, preset.communication.model), (device.storage, f"{path}.storage", preset.storage.model))
    for memory, where, model in banks:
        try:
            _memory(memory, model)
        except LocalMisuse as error:
            t2_ns = model.t2_ns if memory is None or memory.t2_ns is None else memory.t2_ns
            yield Problem(f"{where}.t2-ns", str(t2_ns), str(error), "no memory dephases slower: lower t2-ns")


def _check_readout(memory: Memory, path: str) -> Iterator[Problem]:
    if memory.readout_error is None:
        return
    told = memory.readout_error
    errors = (told, told) if isinstance(told, float) else told
    if len(errors) != 2 or not all(0.0 <= error <= _MOST_MISREAD for error in errors):
        remedy = "write a number from 0 to 0.5, or [of a 0, of a 1]"
        yield Problem(f"{path}.readout-error", shown(told), "is no readout error", remedy)
