"""From a printer's stored connection to the addresses under which it takes commands and files."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from integrations.bambu.address import PrinterAddress, Trust
from integrations.models import PrinterConnection
from integrations.printers.errors import StrangeCertificate

CERTIFICATE_SECONDS = 10.0


def command_address(link: PrinterConnection) -> PrinterAddress:
    """Return where the printer's MQTT session is: at the one broker of MQTT_HOST, or at the printer itself."""
    if not settings.MQTT_HOST:
        return file_address(link)
    # The broker's certificate names the broker, not a printer: a printer that the same authority signed is no broker. A
    # printer's access code is none of its business.
    return PrinterAddress(
        link.printer.serial,
        settings.MQTT_HOST,
        settings.MQTT_PASSWORD,
        mqtt_port=settings.MQTT_PORT,
        trust=Trust.PINNED if settings.MQTT_TLS else Trust.OFF,
        certificate=_authority() if settings.MQTT_TLS else "",
        name=settings.MQTT_HOST,
    )


def file_address(link: PrinterConnection) -> PrinterAddress:
    """Return where the printer itself is: it takes files there, and commands where there is no common broker."""
    trust, certificate = Trust.OFF, ""
    if link.use_tls and link.pinned_certificate:
        trust, certificate = Trust.PINNED, link.pinned_certificate
    elif link.use_tls:
        trust, certificate = Trust.AUTHORITY, _authority()
    return PrinterAddress(
        link.printer.serial,
        link.host,
        link.access_code(),
        mqtt_port=link.mqtt_port,
        ftps_port=link.ftps_port,
        trust=trust,
        certificate=certificate,
    )


def has_no_trust(link: PrinterConnection) -> bool:
    """Tell whether nothing says yet how the printer's certificate is to be judged."""
    return link.use_tls and not link.pinned_certificate and not settings.MQTT_CA_FILE


def first_certificate(link: PrinterConnection) -> str:
    """Return the certificate (PEM) that the printer shows now, to be pinned: from then on it must show this one.

    Raises:
        StrangeCertificate: it is not in the name of the printer's serial number.
        OSError: the printer does not answer.
    """
    pem = ssl.get_server_certificate((link.host, link.ftps_port), timeout=CERTIFICATE_SECONDS)
    subject = x509.load_pem_x509_certificate(pem.encode()).subject
    names = [attribute.value for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if link.printer.serial not in names:
        raise StrangeCertificate(details={"serial": link.printer.serial, "shown": [str(name) for name in names]})
    return pem


def _authority() -> str:
    if not settings.MQTT_CA_FILE:
        raise ImproperlyConfigured("MQTT_TLS with MQTT_HOST needs MQTT_CA_FILE.")
    return Path(settings.MQTT_CA_FILE).read_text(encoding="ascii")
