"""One module per revision, in order; each freezes what it creates and imports nothing of today's schema."""
