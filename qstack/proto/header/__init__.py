"""The header's own messages, echo and error (rfc_notes/header.md section 6), sans-IO."""
