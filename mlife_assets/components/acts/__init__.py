"""Acts of a person: approve, reject, pause, resume, roll back."""
