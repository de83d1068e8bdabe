"""What an OpenID Connect provider says: its discovery document, its keys, and the ID tokens that it signs.

Speaks HTTP and checks signatures and claims; whose identity that is in Opsteward is decided in `oidc`.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import REGISTERED_SYSTEMS, HttpClient, HttpReply
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

log = get_logger(__name__)

#: Signatures by a key that only the provider has. `none` and those by the client's secret are not among them.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
SCOPE = "openid email profile"
_KEEP = 3600.0  # seconds that what the provider published is believed
_LOOK_AGAIN = 60.0  # seconds between looks for a key that is not known yet
_LEEWAY = 60  # seconds that two clocks may differ
_MAX_SUBJECT = 255


class Refused(Exception):
    """The provider's answer is not believed; `reason` is a word for the audit log, and never the answer itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Endpoints:
    """Where the provider does what."""

    authorize: str
    token: str
    keys: str
    secret_in_body: bool
    userinfo: str | None


class Provider:
    """One provider, as a client of which this installation is registered."""

    def __init__(self, *, issuer: str, client_id: str, client_secret: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._http = HttpClient(REGISTERED_SYSTEMS, timeout=10)
        self._endpoints: tuple[float, Endpoints] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def authorize_url(self, *, state: str, nonce: str, challenge: str, redirect_uri: str) -> str:
        """Where the browser is sent. Raises Refused when the provider can't be asked."""
        endpoint = (await self._discovered()).authorize
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def claims_for(
        self, *, code: str, verifier: str, redirect_uri: str, nonce: str, wanted: Sequence[str]
    ) -> JsonObject:
        """The claims of the ID token that the code is worth, all checked. Raises Refused.

        Many a provider puts no more than the subject into it: what is wanted and not there is asked for.
        """
        endpoints = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if endpoints.secret_in_body:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        else:
            login = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        answer = await self._fetched(
            endpoints.token, reason="code", method="POST", headers=headers, body=urlencode(form).encode()
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise Refused("no_id_token")
        claims = await self._checked(token, nonce=nonce)
        access = answer.get("access_token")
        if endpoints.userinfo is None or not isinstance(access, str) or all(name in claims for name in wanted):
            return claims
        return await self._with_more(claims, endpoints.userinfo, access)

    async def _with_more(self, claims: JsonObject, userinfo: str, access: str) -> JsonObject:
        """The claims with those of the UserInfo endpoint, which has to speak of the same subject; when it can't be
        asked, as they are. Raises Refused for another subject."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {access}"}
        try:
            more = await self._fetched(userinfo, reason="userinfo", headers=headers)
        except Refused as error:
            log.warning("accounts.oidc.userinfo_failed", reason=error.reason)
            return claims
        if more.get("sub") != claims["sub"]:
            raise Refused("userinfo_sub")
        kept = dict(claims)
        if not {"email", "email_verified"} <= kept.keys():  # the one is said of the other, where that stands
            kept = {name: value for name, value in kept.items() if name not in ("email", "email_verified")}
        return {**more, **kept}

    async def _checked(self, token: str, *, nonce: str) -> JsonObject:
        claims = await self._signed_claims(token)
        from joserfc.errors import ClaimError, JoseError
        from joserfc.jwt import JWTClaimsRegistry

        wanted = JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            wanted.validate(claims)
        except ClaimError as error:
            raise Refused(str(error.claim)) from error
        except (JoseError, ValueError, TypeError) as error:
            raise Refused("claims") from error
        audience, subject = claims["aud"], claims["sub"]
        party = claims.get("azp")
        if party not in (None, self._client_id) or (isinstance(audience, list) and len(audience) > 1 and not party):
            raise Refused("azp")
        if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or "\x00" in subject:
            raise Refused("sub")
        return claims

    async def _signed_claims(self, token: str) -> JsonObject:
        """Believed because of the signature. A key that is not known may be new: then the keys are read again."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        for last in (False, True):
            keys = await self._key_set(older_than=_LOOK_AGAIN if last else _KEEP)
            try:
                return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
            except InvalidKeyIdError as error:
                if last:
                    raise Refused("signature") from error
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise Refused("signature") from error
        raise AssertionError("the last look returns or raises")

    async def _discovered(self) -> Endpoints:
        if self._endpoints is not None and time.monotonic() - self._endpoints[0] < _KEEP:
            return self._endpoints[1]
        where = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._fetched(where, reason="discovery")
        if found.get("issuer") != self.issuer:
            raise Refused("issuer")
        methods = found.get("token_endpoint_auth_methods_supported")
        if not isinstance(methods, list) or not methods:
            methods = ["client_secret_basic"]  # what the standard says of a document without them
        endpoints = Endpoints(
            authorize=self._endpoint(found, "authorization_endpoint"),
            token=self._endpoint(found, "token_endpoint"),
            keys=self._endpoint(found, "jwks_uri"),
            secret_in_body="client_secret_basic" not in methods,
            userinfo=self._endpoint(found, "userinfo_endpoint") if found.get("userinfo_endpoint") else None,
        )
        self._endpoints = (time.monotonic(), endpoints)
        return endpoints

    def _endpoint(self, found: JsonObject, name: str) -> str:
        """An address of the document; not in the clear, unless the issuer is (which only this machine's may be)."""
        url = found.get(name)
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", urlsplit(self.issuer).scheme):
            raise Refused("discovery")
        return url

    async def _key_set(self, *, older_than: float) -> KeySet:
        if self._keys is not None and time.monotonic() - self._keys[0] < older_than:
            return self._keys[1]
        found = await self._fetched((await self._discovered()).keys, reason="keys")
        keys = _usable_keys(found.get("keys"))
        if keys is None:
            raise Refused("keys")
        self._keys = (time.monotonic(), keys)
        return keys

    async def _fetched(self, url: str, *, reason: str, **options: Any) -> JsonObject:
        try:
            # what the provider's document names is not trusted more than the provider
            reply: HttpReply = await self._http.fetch(url, named_by=self.issuer, **options)
            whole = reply.status == 200 and not reply.truncated and not reply.incomplete
            content = json.loads(reply.plain_body() or b"") if whole else None
        except ConnectorError as error:
            raise Refused(f"{reason}_{error.code}") from error
        except (ValueError, RecursionError) as error:
            raise Refused(reason) from error
        if not isinstance(content, dict):
            raise Refused(reason)
        return content


def _usable_keys(published: object) -> KeySet | None:
    """The published keys that can check a signature; one that can't never spoils the others. None when none can."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry, KeySet

    keys = []
    for key in published if isinstance(published, list) else []:
        # encryption keys are of no use here, and a shared secret must never check what the provider signed
        if not isinstance(key, dict) or key.get("use") not in (None, "sig") or str(key.get("kty")) not in _KEY_TYPES:
            continue
        try:
            keys.append(JWKRegistry.import_key(key))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
    return KeySet(keys) if keys else None
