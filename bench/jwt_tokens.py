#!/usr/bin/env python3
"""Keys and tokens of several algorithms: jwt_tokens.py KEYS-FOLDER TOKENS-FOLDER ALGORITHM…

Writes the public key (of HS256 the secret) as a file of KEYS-FOLDER and <algorithm>.token; prints a line with
algorithm and file each."""
import pathlib
import secrets
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from support.tokens import Key, Secret  # noqa: E402


def main():
    keys, tokens = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    for algorithm in sys.argv[3:]:
        if algorithm == "HS256":
            secret = secrets.token_hex(32)
            key, text = Secret(secret.encode()), secret
        else:
            key = Key(algorithm)
            text = key.public
        file = keys / f"bench-{algorithm}.key"
        file.write_text(text)
        file.chmod(0o644)
        (tokens / f"{algorithm}.token").write_text(
            key.token(f"https://{algorithm}.bench.test", "millrace", "bench", expires=86400, scope="admin", roles=["admin"]))
        print(algorithm, file.name)


if __name__ == "__main__":
    main()
