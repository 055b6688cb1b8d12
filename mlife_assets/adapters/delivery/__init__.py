"""Applying the stacks of `infra/` to AWS, and testing a deployed environment."""
