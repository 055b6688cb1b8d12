"""What is delivered to AWS, as far as it can be said without asking AWS."""
