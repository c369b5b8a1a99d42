"""Where a printer is, how it is reached and how its certificate is judged (Bambu LAN protocol, section 1)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from integrations.bambu.protocol import FTPS_PORT, MQTT_PORT


class Trust(StrEnum):
    """How the other side proves who it is."""

    OFF = "off"
    """No TLS at all: the demo's broker and simulated printers on this machine."""
    AUTHORITY = "authority"
    """The certificate comes from this authority and names the printer's serial number."""
    PINNED = "pinned"
    """The printer shows exactly this certificate."""


@dataclass(frozen=True)
class PrinterAddress:
    """One printer on the network. ``certificate`` is PEM text: the authority's, or the pinned one.

    ``name`` is what the certificate must be made out to where that is not the printer: the host of a common broker.
    """

    serial: str
    host: str
    access_code: str = field(default="", repr=False)
    mqtt_port: int = MQTT_PORT
    ftps_port: int = FTPS_PORT
    trust: Trust = Trust.AUTHORITY
    certificate: str = field(default="", repr=False)
    name: str = ""

    def tls_context(self, *, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext | None:
        """Return the TLS settings for this printer, None where TLS is off; ``ssl.SSLError`` for a bad certificate.

        Printers carry their serial number as name, never their address, so that is what is asked for and compared.
        Their authority lacks the key-usage extension that strict checking (the default from Python 3.13) insists on.
        """
        if self.trust is Trust.OFF:
            return None
        context = _SerialNameContext(ssl.PROTOCOL_TLS_CLIENT)
        context.serial = self.name or self.serial
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = newest
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = self.trust is Trust.AUTHORITY or bool(self.name)
        if self.trust is Trust.PINNED:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=self.certificate)
        return context


class _SerialNameContext(ssl.SSLContext):
    """Asks for the printer by its serial number, whatever address the socket was opened with."""

    serial: str = ""

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        kwargs["server_hostname"] = self.serial
        return super().wrap_socket(sock, *args, **kwargs)
