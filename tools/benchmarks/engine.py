"""engine.*: the state engine beside a formula, a plain loop in C, and two simulators.

A *swap* here is: two halves of random mixed pairs, born at random instants in memories of four kinds (T1 and T2), are
brought forward to a random instant, measured in the Bell basis with an outcome drawn by its probability, and their
partners become one pair. Pairs are visited in random order, in one batch that uses each live pair once. What is timed
is that batch; making pairs is not. Every figure is the quickest of many rounds, both sides in turns.
"""

from __future__ import annotations

import ctypes
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstack.quantum import reference
from qstack.quantum.engine import PairEngine
from tools.benchmarks.comparison import Comparison
from tools.benchmarks.peers import ROOT, SEQUENCE_VERSION, PeerAbsent, sequence

__all__ = ["ENTRIES"]

Array = NDArray[Any]
UNIT = "ns per decohere-and-swap"
KINDS = ((10e6, 4e6, 0.0), (50e6, 3e6, 0.0), (3e6, 5e6, 0.0), (100e6, 90e6, 0.0))
TURNS = 5
ROUND_SECONDS = 0.6


@dataclass
class Batch:
    """A batch of swaps over all of `count` pairs, and the states before it."""

    states: Array
    births_ns: Array
    kinds: Array
    firsts: Array  # entries, that is 2 * pair + half
    seconds: Array
    instants_ns: Array
    uniforms: Array

    @property
    def swaps(self) -> int:
        return len(self.firsts)


def make_batch(count: int) -> Batch:
    """Random mixed states, ages 0..8 ms."""
    rng = np.random.default_rng(20260720)
    few = np.array([random_state(rng) for _ in range(256)]).reshape(256, 16)
    order = rng.permutation(count).astype(np.uint32)
    return Batch(
        states=few[rng.integers(256, size=count)].ravel(),
        births_ns=rng.integers(0, 4_000_000, 2 * count),
        kinds=rng.integers(0, len(KINDS), 2 * count).astype(np.uint16),
        firsts=2 * order[: count // 2] + 1,
        seconds=2 * order[count // 2 : 2 * (count // 2)],
        instants_ns=rng.integers(4_000_000, 8_000_000, count // 2),
        uniforms=rng.random(count // 2),
    )


def random_state(rng: np.random.Generator) -> Array:
    g = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    rho = g @ g.conj().T
    r = reference.correlations(rho / np.trace(rho).real)
    r[0, 0] = 1.0
    return r


# ---- ours ----


class Ours:
    """The engine with a batch's pairs, made anew for each round."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcomes = np.zeros(batch.swaps, np.uint8)
        self.probabilities = np.zeros(batch.swaps)
        self.statuses = np.zeros(batch.swaps, np.uint8)
        self.engine = PairEngine()
        self.handles: Array = np.zeros(0)

    def prepare(self) -> None:
        batch = self.batch
        self.engine = PairEngine(len(batch.births_ns) // 2)
        kinds = np.array([self.engine.kind(*kind) for kind in KINDS], np.uint16)
        self.handles = np.zeros(len(batch.births_ns), np.uint64)
        self.engine.create(batch.states, batch.births_ns, kinds[batch.kinds], self.handles)
        self.first_handles = self.handles[batch.firsts]
        self.second_handles = self.handles[batch.seconds]

    def swap(self) -> None:
        self.engine.swap(
            self.first_handles, self.second_handles, self.batch.instants_ns, self.batch.uniforms, self.outcomes,
            self.probabilities, self.statuses,
        )  # fmt: skip

    def result(self) -> Array:
        """States that stay, in the order of the batch."""
        partners = self.handles[self.batch.firsts ^ 1]
        states, statuses = np.zeros(16 * len(partners)), np.zeros(len(partners), np.uint8)
        self.engine.inspect_pairs(partners, np.zeros(len(partners), np.int64), states, statuses)
        assert not self.statuses.any() and not statuses.any()
        return states.reshape(-1, 16)


# ---- the plain loop ----

QUBIT = np.dtype(
    [("touched_ns", "i8"), ("generation", "u4"), ("holder", "u4"), ("partner", "u4"), ("kind", "u2"), ("side", "u1"),
     ("flags", "u1"), ("reserved", "u8")]
)  # fmt: skip


def compile_loop() -> ctypes.CDLL:
    """Compile `engine_swap.c` as the extensions are compiled. Raises `PeerAbsent` without a compiler."""
    source = Path(__file__).with_name("engine_swap.c")
    target = ROOT / "build" / "peers" / "engine_swap.so"
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = f"{sysconfig.get_config_var('CC')} {sysconfig.get_config_var('CFLAGS')} -O3 -g0 -fPIC -shared".split()
    try:
        ran = subprocess.run(
            [*flags, str(source), "-o", str(target), "-lm"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PeerAbsent(f"no C compiler: {error}") from error
    if ran.returncode:
        raise PeerAbsent(f"the C loop does not compile: {ran.stderr.splitlines()[-1]}")
    return ctypes.CDLL(str(target))


class Loop:
    """The C loop with a batch's pairs, written anew for each round."""

    def __init__(self, batch: Batch, library: ctypes.CDLL) -> None:
        self.batch = batch
        self.library = library
        library.allocate.restype = ctypes.c_void_p
        library.allocate.argtypes = [ctypes.c_size_t]
        entries = np.zeros(len(batch.births_ns), QUBIT)
        entries["touched_ns"], entries["kind"] = batch.births_ns, batch.kinds
        entries["holder"] = np.arange(len(entries)) // 2
        self.qubits = self.block(entries.nbytes).view(QUBIT)
        self.qubits[:] = entries
        self.pairs = self.block(batch.states.nbytes).view(np.float64)
        self.kinds = np.array([(1 / t1, 1 / t2, 1.0) for t1, t2, _ in KINDS])
        self.outcomes = np.zeros(batch.swaps, np.uint8)
        self.probabilities = np.zeros(batch.swaps)

    def block(self, octets: int) -> Array:
        address = self.library.allocate(octets)
        return np.ctypeslib.as_array((ctypes.c_uint8 * octets).from_address(address))

    def prepare(self) -> None:
        self.pairs[:] = self.batch.states

    def swap(self) -> None:
        batch = self.batch
        arrays = (self.pairs, self.qubits, self.kinds, batch.firsts, batch.seconds, batch.instants_ns, batch.uniforms,
                  self.outcomes, self.probabilities)  # fmt: skip
        self.library.swap(*(ctypes.c_void_p(array.ctypes.data) for array in arrays), ctypes.c_int64(batch.swaps))

    def result(self) -> Array:
        states: Array = self.pairs.reshape(-1, 16)[self.batch.firsts >> 1]
        return states


# ---- timing ----


def quickest_ns(side: Ours | Loop, seconds: float) -> float:
    """Nanoseconds of one swap in the quickest batch."""
    best, until, first = float("inf"), time.perf_counter() + seconds, True
    while first or time.perf_counter() < until:
        side.prepare()
        start = time.perf_counter()
        side.swap()
        best = min(best, (time.perf_counter() - start) / side.batch.swaps)
        first = False
    return best * 1e9


def swap_c(count: int, label: str) -> Comparison:
    """Against a plain C loop over the same slots and entries, in the same order."""
    batch = make_batch(count)
    name = f"engine.swap/c.{label}"
    ours = Ours(batch)
    try:
        loop = Loop(batch, compile_loop())
    except PeerAbsent as absent:
        return Comparison(name, quickest_ns(ours, TURNS * ROUND_SECONDS), None, str(absent), UNIT)
    for side in (ours, loop):
        side.prepare()
        side.swap()
    assert (ours.outcomes == loop.outcomes).all()
    assert np.abs(ours.result() - loop.result()).max() < 1e-12
    turns = [(quickest_ns(ours, ROUND_SECONDS), quickest_ns(loop, ROUND_SECONDS)) for _ in range(TURNS)]
    return Comparison(name, min(t[0] for t in turns), min(t[1] for t in turns), "a plain C loop (the limit)",
                      f"{UNIT}, {count:,} live pairs")  # fmt: skip


def swap_sequence() -> Comparison:
    """Against SeQUeNCe's formula for Bell-diagonal states alone, which knows no time, draw or other state."""
    ours = Ours(make_batch(1000))
    try:
        turns = [(quickest_ns(ours, ROUND_SECONDS), sequence_formula_ns(ROUND_SECONDS)) for _ in range(TURNS)]
    except PeerAbsent as absent:
        return Comparison("engine.swap/sequence", quickest_ns(ours, TURNS * ROUND_SECONDS), None, str(absent), UNIT)
    return Comparison("engine.swap/sequence", min(t[0] for t in turns), min(t[1] for t in turns),
                      f"SeQUeNCe {SEQUENCE_VERSION}, swapping_res alone", f"{UNIT}, 1,000 live pairs")  # fmt: skip


def sequence_formula_ns(seconds: float) -> float:
    script = Path(__file__).with_name("sequence_swap.py")
    ran = subprocess.run([str(sequence()), str(script), str(seconds)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise PeerAbsent(f"SeQUeNCe {SEQUENCE_VERSION} does not run: {ran.stderr.splitlines()[-1]}")
    return float(ran.stdout)


def swap_stim() -> Comparison:
    """Against stim's tableau simulator: two fresh Bell pairs, CNOT, H, two measurements. Stabilizer states only."""
    import stim  # noqa: PLC0415  (a peer)

    ours = Ours(make_batch(1000))
    simulator = stim.TableauSimulator()
    circuit = stim.Circuit("R 0 1 2 3\nH 0 2\nCX 0 1 2 3\nCX 1 2\nH 1\nM 1 2")

    def theirs_ns() -> float:
        best, until = float("inf"), time.perf_counter() + ROUND_SECONDS
        while time.perf_counter() < until:
            start = time.perf_counter()
            for _ in range(1000):
                simulator.do(circuit)
            best = min(best, (time.perf_counter() - start) / 1000)
        return best * 1e9

    turns = [(quickest_ns(ours, ROUND_SECONDS), theirs_ns()) for _ in range(TURNS)]
    return Comparison("engine.swap/stim", min(t[0] for t in turns), min(t[1] for t in turns),
                      f"stim {version('stim')} tableau, pairs made anew", UNIT)  # fmt: skip


ENTRIES: dict[str, Callable[[], Comparison]] = {
    "engine.swap/sequence": swap_sequence,
    "engine.swap/c.1e3": lambda: swap_c(1000, "1e3"),
    "engine.swap/c.1e6": lambda: swap_c(1_000_000, "1e6"),
    "engine.swap/stim": swap_stim,
}
