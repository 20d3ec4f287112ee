"""Sending a report: standard library, one message, encrypted unless the server is this machine.

Theory of operation. The settings say where to; the password comes from the environment, so that it stands in no file and
in no shell history. A server's refusal becomes a sentence that names the setting.
"""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import click

from cli.settings import ConfigError, Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD = "ONEBOOK_SMTP_PASSWORD"
WAIT_S = 30.0


class Server(NamedTuple):
    """Where to send: `security` is starttls, tls or plain."""

    security: str
    host: str
    port: int
    user: str


def server_of(settings: Settings) -> Server:
    """Return the mail server of the settings.

    Raises:
        ConfigError: none is set, or it is not of the form host:port.
    """
    text = settings("smtp")
    if text == "none":
        raise ConfigError('no mail server is set; write smtp = "mail.example.org:587" into onebook.toml')
    security, plain = "starttls", text
    for word in ("tls", "plain", "starttls"):
        if text.startswith(f"{word}:"):
            security, plain = word, text.removeprefix(f"{word}:")
    host, colon, port = plain.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ConfigError(f"smtp {text!r} is not of the form host:port, tls:host:port or plain:host:port")
    if security == "plain" and host not in LOOPBACK:
        raise ConfigError(f"smtp {text!r}: without encryption only a server on this machine is used; leave out `plain:`")
    return Server(security, host, int(port), settings("smtp_user"))


def message_of(settings: Settings, subject: str, text: str, files: Mapping[str, Path]) -> EmailMessage:
    """Return the message: a text, and the files attached.

    Raises:
        ConfigError: no sender or no receiver is set, or an address that is none.
    """
    message = EmailMessage()
    receivers = [one.strip() for one in settings("mail_to").split(",") if one.strip()]
    if not receivers or not settings("mail_from"):
        raise ConfigError("mail_from and mail_to name the sender and the receivers; write both into onebook.toml")
    try:
        message["From"], message["To"], message["Subject"] = settings("mail_from"), ", ".join(receivers), " ".join(subject.split())
    except ValueError as error:
        raise ConfigError(f"mail_from or mail_to is no address: {error}") from error
    message.set_content(text)
    for path in files.values():
        kind = {".html": "html", ".csv": "csv"}.get(path.suffix)
        if kind is not None:
            message.add_attachment(path.read_text(encoding="utf-8"), subtype=kind, filename=path.name)
    return message


def send(server: Server, message: EmailMessage) -> list[str]:
    """Send a message and return the addresses that took it.

    Raises:
        click.ClickException: the server cannot be reached, or refused; the message says what it said.
    """
    context = ssl.create_default_context()
    try:
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=WAIT_S, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=WAIT_S)
        with connection:
            if server.security == "starttls":
                connection.starttls(context=context)
            if server.user:
                connection.login(server.user, os.environ.get(PASSWORD, ""))
            refused = connection.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise click.ClickException(f"the report was written and not sent: {server.host}:{server.port} said {error}") from error
    return [one.strip() for one in str(message["To"]).split(",") if one.strip() not in refused]
