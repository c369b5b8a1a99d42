"""Cloud storage on this machine: Google's by an emulator, Amazon's by moto's server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from google.oauth2 import service_account
from moto.server import ThreadedMotoServer

BUCKET = "files-of-the-farm"
#: What an installation would set.
VALUES = {
    "GCS_BUCKET_NAME": BUCKET,
    "SIGNED_LINK_SECONDS": 60,
    "AWS_STORAGE_BUCKET_NAME": BUCKET,
    "AWS_S3_REGION_NAME": "us-east-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


@contextmanager
def google(folder: Path) -> Iterator[str]:
    """Run the emulator with an empty bucket; give its address."""
    port = _free_port()
    server = create_server("127.0.0.1", port, data_dir=str(folder), default_bucket=BUCKET)
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


def google_client(address: str) -> Client:
    """Return a client that asks the emulator."""
    return Client(project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": address})


def signing_credentials() -> Any:
    """Return credentials of a service account that exists nowhere, with a key that can sign."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return service_account.Credentials.from_service_account_info(
        {
            "type": "service_account",
            "client_email": "erp@example.iam.gserviceaccount.com",
            "private_key": pem.decode(),
            "private_key_id": "1",
            "token_uri": "http://127.0.0.1:1/token",
        }
    )


@contextmanager
def amazon() -> Iterator[str]:
    """Run moto's server with an empty bucket; give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=_free_port(), verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server._port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=VALUES["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=VALUES["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    try:
        yield address
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
