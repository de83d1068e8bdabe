"""Messages to browsers are encrypted as the standard says: its own example, RFC 8291 section 5."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from opsteward.integrations.apprise.push_encryption import encrypted
from support.push_service import decoded, decrypted

RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
RECEIVER_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SENDER_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SECRET, SALT = "BTBZMqHH6r4Tts7J_aSIgg", "DGv6ra1nlYgDCS1FRnbzlw"
CONTENT = b"When I grow up, I want to be a watermelon"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def _number(words: str) -> int:
    return int.from_bytes(decoded(words), "big")


def test_the_example_of_the_standard_comes_out() -> None:
    body = encrypted(
        CONTENT, decoded(RECEIVER), decoded(SECRET), salt=decoded(SALT), private_value=_number(SENDER_PRIVATE)
    )
    assert body == decoded(BODY)
    key = ec.derive_private_key(_number(RECEIVER_PRIVATE), ec.SECP256R1())
    assert decrypted(decoded(BODY), key, decoded(SECRET)) == CONTENT


def test_no_two_messages_are_alike() -> None:
    bodies = {encrypted(CONTENT, decoded(RECEIVER), decoded(SECRET)) for _ in range(3)}
    assert len(bodies) == 3
