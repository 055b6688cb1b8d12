"""Contracts of a provider or a deployment of somebody's own, as tests that they run in their own package.

Belongs here: promises of a port. Does not belong here: promises of one adapter alone (its own tests).
Subclass `gateways.GatewayContract` or `deployments.DeploymentContract` in a module of tests; pytest runs the
inherited tests. Nothing here imports pytest, which is no dependency of mlife.
"""
