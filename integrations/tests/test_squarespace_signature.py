"""The signature is the vendor's: hex HMAC-SHA256 with the hex-decoded secret over the raw body."""

from __future__ import annotations

import pytest

from integrations.squarespace.signature import is_genuine, sign

SECRET = "00112233445566778899aabbccddeeff"
BODY = b'{"id":"n1"}'
# openssl dgst -sha256 -mac HMAC -macopt hexkey:00112233445566778899aabbccddeeff
SIGNATURE = "55c6a510fa1521fefd50030d1b910dd44b52075c1624eae9a5d9a0c254972ac1"


def test_it_is_the_digest_that_another_tool_computes() -> None:
    assert sign(SECRET, BODY) == SIGNATURE


@pytest.mark.parametrize("given", [SIGNATURE, SIGNATURE.upper(), f" {SIGNATURE} "])
def test_the_case_of_its_letters_does_not_matter(given: str) -> None:
    assert is_genuine(SECRET, BODY, given)
    assert is_genuine(SECRET.upper(), BODY, given)


@pytest.mark.parametrize("given", ["", "no hex", SIGNATURE[:-2], SIGNATURE[:-1], "é" * 64, SIGNATURE.replace("a", "b")])
def test_it_refuses_anything_else(given: str) -> None:
    assert not is_genuine(SECRET, BODY, given)


def test_it_refuses_another_body_and_another_secret() -> None:
    assert not is_genuine(SECRET, BODY + b" ", SIGNATURE)
    assert not is_genuine("ff" + SECRET[2:], BODY, SIGNATURE)
