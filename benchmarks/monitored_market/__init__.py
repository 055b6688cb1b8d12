"""A simulated market that is monitored in memory, for the benchmarks of monitoring; not a benchmark itself."""
