"""Deliveries to AWS, as far as they can be computed without calling AWS."""
