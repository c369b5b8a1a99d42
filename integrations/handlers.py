"""Every handler of integrations, gathered from the folders that own them: importing this registers them."""

from __future__ import annotations

from integrations import slicing
from integrations.mail import handlers as mail
from integrations.mail import purchasing as purchase_mails
from integrations.mail import quotes as quote_mails
from integrations.notices import handlers as notices
from integrations.printers import handlers as printers
from integrations.squarespace import handlers as squarespace

__all__ = ["mail", "notices", "printers", "purchase_mails", "quote_mails", "slicing", "squarespace"]
