"""Pages for people, over HTTP on this machine."""
