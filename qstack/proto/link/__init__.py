"""The link layer: pairs between neighbours, heralded by a station (rfc_notes/link.md), sans-IO."""
