"""The end of mails by one click."""
