"""Models and applications of this deployment, a folder each: `defs.yaml`, and Python that only it needs.

Dagster loads this folder as `definitions` says, and the command line reads the same files (`adapters.instance_files`).
"""
