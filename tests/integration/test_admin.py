"""millrace-admin: what an operator does from a shell."""
import base64
import json
import re
import subprocess
import time

import pytest


def admin(stack, *arguments, config=True, **options):
    command = [stack.inst + "/sbin/millrace-admin", *map(str, arguments)]
    if config:
        command += ["--config", stack.config]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("arguments,says", [
    ((), "usage:"),
    (("nonsense",), "usage:"),
    (("key", "create", "--tenant", "x"), "--name is needed"),
    (("key", "create", "--tenant", "x", "--nmae", "y"), "unknown option --nmae"),
    (("key", "create", "--tenant"), "--tenant needs a value"),
    (("migrate", "--no-verify=x"), "--no-verify takes no value"),
    (("settings",), "give --sample or --markdown"),
    (("token", "--issuer", "a", "--audience", "b", "--subject", "c", "--key-file", "/none"), "/none"),
])
def test_wrong_use_is_explained(stack, arguments, says):
    r = admin(stack, *arguments, config=False)
    assert r.returncode != 0
    assert says in r.stderr
    assert r.stdout == ""


def test_a_key_is_printed_once_and_stored_hashed(stack):
    r = admin(stack, "key", "create", "--tenant", "default", "--name", "printed", "--scopes",
              "read-only,workflow-management", "--roles", "editor")
    assert r.returncode == 0, r.stderr
    key = r.stdout.split()[-1]
    assert re.fullmatch(r"mrk_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}", key)
    row = stack.rows("select prefix, encode(hash, 'hex') as hash, scopes, roles, row_to_json(k)::text as whole "
                     "from millrace.api_keys k where name = 'printed'")[0]
    assert row["prefix"] == key[:12]
    assert row["hash"] == stack.psql(f"select encode(sha256('{key}'), 'hex')")
    assert sorted(row["scopes"]) == ["read-only", "workflow-management"]
    assert row["roles"] == ["editor"]
    assert key[13:] not in row["whole"]
    assert stack.with_key(key).get("/api/v1/workflows").status_code == 200


def test_a_keys_own_limits(stack):
    def limits(given):
        r = admin(stack, "key", "create", "--tenant", "default", "--name", "limited", "--rate-limits", given)
        return r, stack.rows("select rate_limits from millrace.api_keys where name = 'limited' and revoked_at is null")

    r, rows = limits("monitoring=1000/min,standard=none,suggestion_generation=5/h")
    assert r.returncode == 0, r.stderr
    assert rows[0]["rate_limits"] == {"monitoring": {"limit": 1000, "window": 60}, "standard": None,
                                      "suggestion_generation": {"limit": 5, "window": 3600}}
    _, rows = limits("none")
    assert len(rows[0]["rate_limits"]) == 8 and set(rows[0]["rate_limits"].values()) == {None}
    for wrong in ("monitring=1/min", "monitoring", "monitoring=many", "exempt=1/min", ""):
        r, _ = limits(wrong)
        assert r.returncode == 1 and "--rate-limits" in r.stderr and "monitoring=1000/min" in r.stderr, r.stderr


def test_an_unknown_scope_is_refused(stack):
    r = admin(stack, "key", "create", "--tenant", "default", "--name", "bad", "--scopes", "everything")
    assert r.returncode == 1
    assert "principals_scopes_check" in r.stderr or "scopes" in r.stderr


def test_migrate_again_changes_nothing(stack):
    before = stack.psql("select count(*) from sqitch.changes")
    r = admin(stack, "migrate")
    assert r.returncode == 0, r.stderr
    assert "Nothing to deploy" in r.stdout + r.stderr
    assert stack.psql("select count(*) from sqitch.changes") == before


def test_migrations_go_down_and_up_again(stack):
    """On a database of its own: each change can be reverted, and deployed and verified again."""
    stack.psql("create database again")
    environment = {**stack.environment, "PGHOST": str(stack.runs), "PGPORT": stack.ports["PG_PORT"],
                   "PGUSER": "millrace_owner", "PGPASSWORD": stack._secret("owner"),
                   "SQITCH_FULLNAME": "test", "SQITCH_EMAIL": "test@localhost"}
    try:
        stack.sh("psql", "-d", "again", "-f", stack.inst + "/share/millrace/sql/roles/roles.sql")
        for step in (["deploy", "--verify"], ["revert", "-y"], ["deploy", "--verify"]):
            r = subprocess.run(["sqitch", *step, "--target", "db:pg:again"], env=environment, text=True,
                               cwd=stack.inst + "/share/millrace/sql/migrations", capture_output=True)
            assert r.returncode == 0, (step, r.stdout, r.stderr)
    finally:
        stack.psql("drop database again with (force)")


def test_tokens_have_the_claims_asked_for(stack):
    r = admin(stack, "token", "--issuer", "https://i", "--audience", "a", "--subject", "s", "--key-file",
              stack.state / "keys/dev.key", "--roles", "editor,viewer", "--scope", "read-only", "--expires", "60",
              config=False)
    assert r.returncode == 0, r.stderr
    head, body, _ = (r.stdout.strip() + "==").split(".")
    decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert decode(head)["alg"] == "HS256"
    claims = decode(body)
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("https://i", "a", "s")
    assert claims["roles"] == ["editor", "viewer"]
    assert claims["scope"] == "read-only"
    assert 50 <= claims["exp"] - time.time() <= 61


def test_the_database_away_is_said(stack, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("admin_database_url = host=127.0.0.1 port=1 user=x dbname=y\ndb_slow_timeout_ms = 2000\n")
    r = subprocess.run([stack.inst + "/sbin/millrace-admin", "tenant", "create", "--name", "x", "--config", str(conf)],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "does not answer" in r.stderr


def test_the_sample_configuration_is_valid(stack, tmp_path):
    sample = admin(stack, "settings", "--sample", config=False).stdout
    conf = tmp_path / "millrace.conf"
    conf.write_text("".join(line[1:] if re.match(r"#[a-z_]+ =", line) else line
                            for line in sample.splitlines(keepends=True)))
    r = subprocess.run([stack.inst + "/sbin/millrace-admin", "nginx-config", "--config", str(conf)],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    assert "upstream millrace_api" in r.stdout


def test_settings_that_do_not_hold_together_are_refused(stack, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text("cors_allowed_origins = *\ncors_credentials = true\nnginx_https_port = 99999\nngin_rate = 1\n")
    r = subprocess.run([stack.inst + "/sbin/millrace-admin", "nginx-config", "--config", str(conf)],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "bad.conf:3" in r.stderr and "bad.conf:4" in r.stderr
