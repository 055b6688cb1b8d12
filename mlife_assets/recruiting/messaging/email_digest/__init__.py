"""The mail with the best jobs of the week."""
