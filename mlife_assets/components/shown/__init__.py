"""What people see in the UI: metadata, links, plots, sentences."""
