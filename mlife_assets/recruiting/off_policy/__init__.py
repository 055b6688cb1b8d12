"""Off-policy estimation: what another ranking policy would earn, from texts that a random draw chose."""
