"""A real OpenID Connect provider as a process of its own: `python -m support.identity_provider` prints its address.

It does what a provider has to (discovery, keys, code flow with PKCE, codes of one use), and what `POST /next` tells it
to do wrong in the next ID token. Who signs in is told in the same way; there is no page to type in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx

ACCESS_TOKEN = "of the userinfo endpoint"
CLIENT_ID, CLIENT_SECRET = "opsteward-test", "s3cret:with/odd characters"


@dataclass(frozen=True)
class IdentityProvider:
    """A running one, as a test sees it."""

    issuer: str

    def next(self, **told: Any) -> None:
        """Claims of the next sign-ins (`claims`), and how they are to be wrong: `sign`, `drop`, `discovery`."""
        httpx.post(f"{self.issuer}/next", json=told, timeout=10).raise_for_status()

    def authorized(self, url: str) -> httpx.URL:
        """Where the provider sends a browser that it was sent."""
        answer = httpx.get(url, timeout=10)
        assert answer.status_code == 303, answer.text
        return httpx.URL(answer.headers["location"])


@contextmanager
def running_provider() -> Iterator[IdentityProvider]:
    """For the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.identity_provider"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        yield IdentityProvider(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(timeout=10)


def _app(issuer: str) -> Any:
    from joserfc import jwt
    from joserfc.jwk import KeySet, OctKey, RSAKey
    from joserfc.jws import JWSRegistry
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, RedirectResponse, Response
    from starlette.routing import Route

    first = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    stranger = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
    told: dict[str, Any] = {}
    keys = [first]
    codes: dict[str, dict[str, str]] = {}

    async def tell(request: Request) -> Response:
        told.clear()
        told.update(await request.json())
        if told.get("rotate"):
            keys.insert(0, RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"}))
        return Response(status_code=204)

    async def discovery(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
            | told.get("discovery", {})
        )

    async def published(_: Request) -> Response:
        return JSONResponse(KeySet(keys).as_dict(private=False))

    async def authorize(request: Request) -> Response:
        query = dict(request.query_params)
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if any(query.get(k) != v for k, v in wanted.items()) or "openid" not in query.get("scope", "").split():
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        code = secrets.token_urlsafe(16)
        codes[code] = query
        back = {"code": code, "state": query["state"]}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", status_code=303)

    async def token(request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        login = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        asked = codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            login != "opsteward-test:s3cret%3Awith%2Fodd%20characters"
            or asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": signed(asked["nonce"])})

    async def userinfo(request: Request) -> Response:
        """What conforming providers tell here, and not in the ID token of the code flow."""
        if request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}" or "userinfo" not in told:
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        return JSONResponse(told["userinfo"])

    def signed(nonce: str) -> str:
        at = int(time.time())
        claims = {"iss": issuer, "aud": CLIENT_ID, "sub": "1", "nonce": nonce, "iat": at, "exp": at + 300}
        claims |= told.get("claims", {})
        for name in told.get("drop", []):
            del claims[name]
        how = told.get("sign", "")
        if how == "none":
            plain = JWSRegistry(algorithms=["none"])
            return jwt.encode({"alg": "none"}, claims, OctKey.import_key("x" * 32), registry=plain)
        if how == "by the public key":  # the old trick: the published key taken for a shared secret
            return _by_hand(claims, keys[0].as_pem(private=False))
        if how == "by the client's secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))
        key = stranger if how == "by a stranger" else keys[0]
        text = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)
        return text[:-6] + "AAAAAA" if how == "damaged" else text

    return Starlette(
        routes=[
            Route("/next", tell, methods=["POST"]),
            Route("/.well-known/openid-configuration", discovery),
            Route("/keys", published),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/userinfo", userinfo),
        ]
    )


def _by_hand(claims: dict[str, Any], secret: bytes) -> str:
    """What the library refuses to make."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    head = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, head, "sha256")).rstrip(b"=")
    return f"{head.decode()}.{signature.decode()}"


def main() -> None:
    """Serve on a free port of this machine until terminated."""
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    print(issuer, flush=True)
    uvicorn.Server(uvicorn.Config(_app(issuer), log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    main()
