"""Mails to customers: what is said when, and how a mail is written and sent."""
