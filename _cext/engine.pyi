"""Stub of the state engine. Laws, theory and the meaning of every argument stand in engine.pyx."""

from typing_extensions import Buffer

class PairEngine:
    """Qubits in pairs and registers. Batch calls take and fill one-dimensional contiguous buffers."""

    def __init__(self, limit: int = ..., register_octets: int = ..., generations: int = ...) -> None: ...
    @property
    def live(self) -> int: ...
    @property
    def registers(self) -> int: ...
    @property
    def register_octets(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def octets_per_pair(self) -> int: ...
    def kind(self, t1_ns: float = ..., t2_ns: float = ..., depolarising_ns: float = ...) -> int: ...
    def create(self, correlations: Buffer, instants_ns: Buffer, kinds: Buffer, handles: Buffer) -> None: ...
    def prepare(self, bloch: Buffer, instants_ns: Buffer, kinds: Buffer, handles: Buffer) -> None: ...
    def create_register(self, tensor: Buffer, instants_ns: Buffer, kinds: Buffer, handles: Buffer) -> None: ...
    def decohere(self, handles: Buffer, instants_ns: Buffer, statuses: Buffer) -> None: ...
    def relocate(self, handles: Buffer, kinds: Buffer, instants_ns: Buffer, statuses: Buffer) -> None: ...
    def scatter(self, handles: Buffer, probabilities: Buffer, instants_ns: Buffer, statuses: Buffer) -> None: ...
    def apply(
        self,
        gates: Buffer,
        firsts: Buffer,
        seconds: Buffer,
        angles: Buffer,
        errors: Buffer,
        instants_ns: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def clifford(
        self,
        images: Buffer,
        firsts: Buffer,
        seconds: Buffer,
        errors: Buffer,
        instants_ns: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def swap(
        self,
        firsts: Buffer,
        seconds: Buffer,
        instants_ns: Buffer,
        uniforms: Buffer,
        outcomes: Buffer,
        probabilities: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def bell_measure(
        self,
        firsts: Buffer,
        seconds: Buffer,
        instants_ns: Buffer,
        uniforms: Buffer,
        outcomes: Buffer,
        probabilities: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def measure(
        self,
        handles: Buffer,
        bases: Buffer,
        instants_ns: Buffer,
        uniforms: Buffer,
        outcomes: Buffer,
        probabilities: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def measure_along(
        self,
        handles: Buffer,
        axes: Buffer,
        instants_ns: Buffer,
        uniforms: Buffer,
        outcomes: Buffer,
        probabilities: Buffer,
        statuses: Buffer,
    ) -> None: ...
    def erase(self, handles: Buffer, instants_ns: Buffer, statuses: Buffer) -> None: ...
    def release(self, handles: Buffer, statuses: Buffer) -> None: ...
    def inspect_pairs(self, handles: Buffer, instants_ns: Buffer, correlations: Buffer, statuses: Buffer) -> None: ...
    def inspect(self, handles: Buffer, instant_ns: int, tensor: Buffer) -> int: ...
    def partner(self, handle: int) -> int: ...
    def companions(self, handle: int) -> list[int]: ...
    def touched_ns(self, handle: int) -> int: ...
    def erased(self, handle: int) -> bool: ...
