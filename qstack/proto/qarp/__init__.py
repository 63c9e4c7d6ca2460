"""Address resolution: from a QNA to a UDP locator that a session has proved (rfc_notes/qarp.md), sans-IO."""
