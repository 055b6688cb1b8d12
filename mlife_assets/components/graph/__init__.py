"""The graph: keys, partitions, jobs, schedules and sensors."""
