"""The simulated job market: the embedded world."""
