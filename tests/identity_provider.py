"""An OpenID Connect provider in a process of its own, which can be told to lie.

`PUT /twist` with JSON says how the next answers are wrong: `claims` of the id token to set (or, as null,
to leave out), `key` to sign it by (`other`, `shared` or `none`), `no_id_token`, and what `metadata` and
`userinfo` say instead. `{}` makes it honest again.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

import flask
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from oidc_provider_mock import app as make_app
from oidc_provider_mock._storage import storage


def make() -> flask.Flask:
    """The provider, which refuses questions without a nonce."""
    app = make_app(require_nonce=True)
    twist: dict[str, Any] = {}

    @app.put("/twist")
    def set_twist() -> tuple[str, int]:
        twist.clear()
        twist.update(flask.request.get_json())
        return "", 204

    @app.after_request
    def lie(answer: flask.Response) -> flask.Response:
        path = flask.request.path
        if path == "/.well-known/openid-configuration" and "metadata" in twist:
            answer.set_data(json.dumps({**json.loads(answer.get_data()), **twist["metadata"]}))
        elif path == "/userinfo" and "userinfo" in twist:
            answer.set_data(json.dumps({**json.loads(answer.get_data()), **twist["userinfo"]}))
        elif path == "/oauth2/token" and answer.status_code == 200 and twist:
            told = json.loads(answer.get_data())
            told["id_token"] = twisted(told["id_token"])
            if twist.get("no_id_token"):
                del told["id_token"]
            answer.set_data(json.dumps(told))
        return answer

    def twisted(token: str) -> str:
        header = jwt.get_unverified_header(token)
        claims = {**jwt.decode(token, options={"verify_signature": False}), **twist.get("claims", {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        own = jwt.PyJWK.from_dict(storage.jwk.as_dict(is_private=True), algorithm="RS256").key
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key, algorithm = {
            None: (own, "RS256"),
            "other": (other, "RS256"),
            "shared": ("the client's secret, known to both sides", "HS256"),
            "none": (None, "none"),
        }[twist.get("key")]
        return jwt.encode(claims, key, algorithm, headers={"kid": header["kid"]} if "kid" in header else None)

    return app


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # Before it says so: who reads the address calls at once.
        listening.listen(128)
        sys.stdout.write(f"running on http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(make(), interface="wsgi", log_level="warning")).run([listening])
