"""Circuits: reservation hop by hop, swapping and tracking (rfc_notes/circuit.md), sans-IO."""
