"""Service units between the nodes of their endpoints (rfc_notes/unit.md), sans-IO."""
