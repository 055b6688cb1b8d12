"""Features, candidates and scores."""
