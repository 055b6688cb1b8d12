"""Events: landing, catalogue, log."""
