"""What is served over HTTP: the prediction endpoint, and pages for people."""
