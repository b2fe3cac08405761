"""Keys of issuers, and tokens signed with them, by the openssl command."""
import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import tempfile
import time


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True, capture_output=True).stdout


def raw_ecdsa(der):
    """r and s of 32 bytes each from the DER form: 30 len 02 len r 02 len s."""
    at, out = 2, b""
    for _ in range(2):
        length = der[at + 1]
        out += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return out


class Key:
    """One key for one algorithm; `bits` is for RSA."""

    def __init__(self, algorithm, kid=None, bits=2048):
        self.algorithm, self.kid = algorithm, kid
        how = {"RS256": ("RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"), "ES256": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
               "EdDSA": ("ED25519",)}
        self.private = openssl("genpkey", "-algorithm", *how[algorithm.replace("PS", "RS")])
        self.public = openssl("pkey", "-pubout", data=self.private).decode()
        self._file = tempfile.NamedTemporaryFile(suffix=".pem")
        self._file.write(self.private)
        self._file.flush()

    def jwk(self, **more):
        der = openssl("pkey", "-pubin", "-outform", "DER", data=self.public.encode())
        if self.algorithm == "ES256":
            parts = {"kty": "EC", "crv": "P-256", "x": b64(der[-64:-32]), "y": b64(der[-32:])}
        elif self.algorithm == "EdDSA":
            parts = {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        else:
            modulus = openssl("rsa", "-pubin", "-noout", "-modulus", data=self.public.encode()).decode()
            parts = {"kty": "RSA", "n": b64(bytes.fromhex(modulus.strip().split("=")[1])), "e": "AQAB"}
        return {**parts, "use": "sig", **({"kid": self.kid} if self.kid else {}), **more}

    def sign(self, message):
        if self.algorithm == "EdDSA":
            with tempfile.NamedTemporaryFile() as f:  # the command wants to know its length
                pathlib.Path(f.name).write_bytes(message)
                return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self._file.name, "-in", f.name)
        pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32") if self.algorithm == "PS256" else ()
        signature = openssl("dgst", "-sha256", "-sign", self._file.name, *pss, data=message)
        return raw_ecdsa(signature) if self.algorithm == "ES256" else signature

    def token(self, issuer, audience, subject, header=None, expires=600, **claims):
        now = int(time.time())
        claims = {"iss": issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + expires, **claims}
        head = header or {"alg": self.algorithm, "typ": "JWT", **({"kid": self.kid} if self.kid else {})}
        message = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        return message + "." + b64(self.sign(message.encode()))


class Secret(Key):
    """The same for HS256."""

    def __init__(self, secret):
        self.algorithm, self.kid, self.secret = "HS256", None, secret

    def sign(self, message):
        return hmac.new(self.secret, message, hashlib.sha256).digest()
