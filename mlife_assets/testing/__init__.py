"""Contracts of a provider or a deployment of somebody's own, as tests that they run in their own package.

Belongs here: what a port promises. Does not belong here: what one adapter does beyond that (its own tests).
Subclass `gateways.GatewayContract` or `deployments.DeploymentContract` in a module of tests; pytest runs what it
inherits. Nothing here imports pytest, which is no dependency of mlife.
"""
