"""A key that can't be used never fails the set that it was published in."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from opsteward.accounts.oidc_provider import ALGORITHMS, _usable_keys

GOOD = RSAKey.generate_key(2048, {"kid": "good", "use": "sig", "alg": "RS256"})
PUBLIC: dict[str, Any] = dict(GOOD.as_dict(private=False))


@pytest.mark.parametrize(
    "unusable",
    [
        None,
        "key",
        {},
        {"kty": "RSA", "kid": "half"},
        {"kty": ["RSA"], "n": 5},
        {"kty": "RSA", "kid": "junk", "n": "!!", "e": "AQAB"},
        {"kty": "EC", "kid": "curve", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "point", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "AKP", "kid": "later standard", "pub": "AA"},
        {"kty": "oct", "kid": "good", "k": "c2VjcmV0"},
        {**PUBLIC, "use": "enc"},
        {**PUBLIC, "kid": 7},
        {**PUBLIC, "kid": "x", "key_ops": "junk", "x5c": 5},
    ],
)
def test_one_unusable_key_spoils_no_set(unusable: object) -> None:
    token = jwt.encode({"alg": "RS256", "kid": "good"}, {"sub": "ada"}, GOOD)
    for published in ([unusable, PUBLIC], [PUBLIC, unusable]):
        keys = _usable_keys(published)
        assert keys is not None
        assert jwt.decode(token, keys, algorithms=ALGORITHMS).claims["sub"] == "ada"


@pytest.mark.parametrize("published", [None, [], {}, "keys", [{}], [{"kty": "oct", "k": "c2VjcmV0"}]])
def test_a_set_without_a_usable_key_is_none(published: object) -> None:
    assert _usable_keys(published) is None
