"""The UI's content: metadata, links, plots, sentences."""
