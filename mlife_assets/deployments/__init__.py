"""Deployments: which adapter stands behind which port, one page each."""
