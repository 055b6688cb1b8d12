"""Mailboxes: gateways of the channel `email`."""

from mlife_assets.adapters.mailboxes.folder import FolderMailbox, MailFaults, ReturnedFolder
from mlife_assets.adapters.mailboxes.smtp import SendJournal, SmtpMailbox, SmtpServer

__all__ = ["FolderMailbox", "MailFaults", "ReturnedFolder", "SendJournal", "SmtpMailbox", "SmtpServer"]
