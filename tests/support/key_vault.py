"""A key vault on this machine: Azure Key Vault's REST calls for one RSA key, over TLS, as much as wrapping needs.

The calls are those of learn.microsoft.com/rest/api/keyvault/keys: Get Key, Wrap Key, Unwrap Key; a call without a token
is answered by a challenge.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

CHALLENGE = 'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"'
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
TOKEN = "a token"


@dataclass
class KeyVault:
    """``versions`` are the key's, the latest last. ``status`` answers every call that brings a token, if it is set."""

    name: str
    versions: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    status: int | None = None
    calls: list[str] = field(default_factory=list)
    url: str = ""

    def rotate(self) -> str:
        """A new version, which is the latest from now on."""
        number = len(self.versions) + 1
        version = f"{number:032x}"
        self.versions[version] = _private_key(number)
        return version

    def key(self, version: str) -> dict[str, Any]:
        numbers = self.versions[version].public_key().public_numbers()
        return {
            "key": {
                "kid": f"{self.url}/keys/{self.name}/{version}",
                "kty": "RSA",
                "key_ops": ["wrapKey", "unwrapKey"],
                "n": _encoded(numbers.n.to_bytes(256, "big")),
                "e": _encoded(numbers.e.to_bytes(3, "big")),
            },
            "attributes": {"enabled": True, "created": 1, "updated": 1, "recoveryLevel": "Recoverable"},
        }


@contextmanager
def key_vault(certificate: Path, name: str) -> Iterator[KeyVault]:
    """With one version of the key; ``certificate`` is this machine's, with its key."""
    vault = KeyVault(name)
    vault.rotate()

    class Handler(_Handler):
        of = vault

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    vault.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: ClassVar[KeyVault]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer_with("get")

    def do_POST(self) -> None:
        self._answer_with(self.path.partition("?")[0].rstrip("/").rpartition("/")[2])

    def _answer_with(self, call: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": {"code": "Unauthorized", "message": "no token"}})
            return
        self.of.calls.append(call)
        if self.of.status is not None:
            self._answer(self.of.status, {"error": {"code": "Refused", "message": "as told"}})
            return
        _, _, name, *rest = self.path.partition("?")[0].split("/")
        version = (rest[0] if rest else "") or list(self.of.versions)[-1]
        if name != self.of.name or version not in self.of.versions:
            self._answer(404, {"error": {"code": "KeyNotFound", "message": "no such key"}})
        elif call == "get":
            self._answer(200, self.of.key(version))
        else:
            self._use(call, version, json.loads(body))

    def _use(self, call: str, version: str, body: dict[str, str]) -> None:
        private = self.of.versions[version]
        value = base64.urlsafe_b64decode(body["value"] + "==")
        assert body["alg"] == "RSA-OAEP-256"
        try:
            done = private.public_key().encrypt(value, OAEP) if call == "wrapkey" else private.decrypt(value, OAEP)
        except ValueError:
            self._answer(400, {"error": {"code": "BadParameter", "message": "the value does not fit the key"}})
            return
        self._answer(200, {"kid": f"{self.of.url}/keys/{self.of.name}/{version}", "value": _encoded(done)})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", CHALLENGE)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@cache
def _private_key(number: int) -> rsa.RSAPrivateKey:
    """The same for every vault of a process: making one takes a second."""
    return rsa.generate_private_key(65537, 2048)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
