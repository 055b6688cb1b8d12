"""Quality, drift, latent and concept monitoring, and the retrain governor."""
