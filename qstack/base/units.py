"""Units and their conversions. Durations carry their unit in the name; fidelity on the wire is 16-bit fixed point."""

from qstack.base.errors import LocalMisuse

__all__ = ["FIDELITY_STEPS", "MICROSECOND_NS", "MILLISECOND_NS", "MINUTE_NS", "SECOND_NS", "fidelity_from_wire",
           "fidelity_to_wire"]  # fmt: skip

MICROSECOND_NS = 1_000
MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS

FIDELITY_STEPS = 65_535
"""A fidelity F travels as round(F * 65535) in 16 bits: 0 is 0, 65535 is 1, error at most 7.7e-6."""


def fidelity_to_wire(fidelity: float) -> int:
    """F in 0..1 to 16 bits."""
    if not 0.0 <= fidelity <= 1.0:
        raise LocalMisuse(f"fidelity {fidelity} is not in 0..1")
    return round(fidelity * FIDELITY_STEPS)


def fidelity_from_wire(value: int) -> float:
    """16 bits to F in 0..1."""
    return value / FIDELITY_STEPS
