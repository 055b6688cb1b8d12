"""The model: fits, gate, promotion."""
