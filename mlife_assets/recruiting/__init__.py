"""Everything that knows what a job, an applicant and a text are; pure as `core` is."""
