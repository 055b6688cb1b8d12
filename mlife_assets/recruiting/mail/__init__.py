"""Mails: what every application that sends one shares."""
