"""What a person does: approve, reject, pause, resume, roll back."""
