"""What AWS does for mlife: keys, secrets, alerts, measures, the flag that stops sends."""
