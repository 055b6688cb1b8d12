"""The prediction endpoint."""
