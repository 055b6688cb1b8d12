"""Services of AWS: keys, secrets, alerts, metrics, the flag that stops sends."""
