"""Applying the stacks of `infra/` to AWS, and proving a deployed environment."""
