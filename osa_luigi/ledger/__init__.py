"""What became of nights, to be asked of: SQL history, provenance documents, reports. A view: the truth is files."""
