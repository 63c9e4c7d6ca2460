"""Routes (rfc_notes/route.md): what is reached where. In this version the configuration says so."""
