"""Error codes, kinds of facts and commands, and statuses that SQL texts say are those of the tables in C:
a word that is misspelt, or that a table lost, is found here and not by whoever meets it."""
import json
import re

import pytest

from database import ROOT
from statements import QUERIES

ALIASED = re.compile(r"\b(?:from|join|into|update)\s+(\w+)(?:\s+(?:as\s+)?(\w+))?", re.I)
COMPARED = re.compile(r"(?:(\w+)\.|(?<![\w.]))(kind|status)\s*(?:=|<>|in|like)\s*(\((?:\s*'[^']*'\s*,?)+\)|'[^']*')", re.I)
INSERTED = re.compile(r"nextval\('journal_id_seq'(?:::regclass)?\)(?:\s+as\s+\w+)?[\s,\w.:+]{0,120}'(\w[\w.]*)'", re.S | re.I)
COMMANDED = re.compile(r"(?:insert into run_commands \(tenant_id, run_id, kind[^)]*\)\s*select [^']*?|tell_runs\([^;]*?\)), '(\w+)'", re.S | re.I)


def table(path, pattern):
    found = set(re.findall(pattern, (ROOT / path).read_text(), re.M))
    assert found, f"{path}: nothing is found by {pattern}"
    return found


def names(path, array):
    """The texts in braces of a C array."""
    inside = re.search(rf"\b{array}(?:\[[^]]*\])? = \{{(.*?)\}};", (ROOT / path).read_text(), re.S).group(1)
    return set(re.findall(r'"(\w+)"', inside))


def words_of_schema(name):
    """All words of a schema's enums."""
    def walk(v):
        if isinstance(v, dict):
            yield from (w for w in v.get("enum", []) if isinstance(w, str))
            for inner in v.values():
                yield from walk(inner)
        elif isinstance(v, list):
            for inner in v:
                yield from walk(inner)
    return set(walk(json.loads((ROOT / f"handlers/schemas/{name}.json").read_text())))


ERRORS = table("lib/errors.def", r"^MR_ERROR\((\w+),")
FACTS = table("engine/core/facts.def", r'^MR_FACT\(\w+, "([\w.]+)"\)')
COMMANDS = table("engine/commands.c", r'^\t\{ "(\w+)", MR_RUN_EVENT_')
RUN_STATUSES = names("engine/core/run.c", "status_names")
STATUSES = {"runs": RUN_STATUSES, "workflows": names("handlers/routes.c", "workflow_statuses"),
            "api_keys": names("handlers/routes.c", "key_statuses"), "tenants": names("handlers/routes.c", "tenant_statuses"),
            "principals": names("handlers/routes.c", "user_statuses")}
STEP_STATUSES = names("engine/core/run.c", "mr_step_status_names")
SPAWN = table("engine/spawn.c", r'mr_str_eqz\(job->code, "(\w+)"\)')
KINDS = {"journal": FACTS, "run_commands": COMMANDS, "run_waits": {"event", "child"}, "waits": {"event", "child", "agent"}, "principals": {"user", "service"}}
CODES = words_of_schema("run_explanation") | words_of_schema("step_explanation")
ANY = {"kind": set.union(*KINDS.values()), "status": set.union(*STATUSES.values(), STEP_STATUSES)}


@pytest.fixture(scope="module")
def sources(cluster, deployed):
    """name → text: every statement, and every function and check as they stand after all changes."""
    conn = cluster.connect(deployed)
    told = {p.name: re.sub(r"--.*", "", p.read_text()) for p in QUERIES}
    for f in conn.execute("""select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as text from pg_proc p
            where p.pronamespace = 'millrace'::regnamespace and p.prokind = 'f'"""):
        # statements parsed at their making come back with casts
        told[f["name"]] = re.sub(r"--.*|::text\b", "", f["text"])
    conn.close()
    assert len(told) > 150 and any("step_words" in name for name in told)
    return told


def literals(text):
    return re.findall(r"'([^']*)'", text)


def test_error_codes(sources):
    """Whatever looks like a code is an error's or one of explain's."""
    said = {(name, w) for name, text in sources.items() for w in literals(text) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", w)}
    # why no child run was started: the engine passes its sentence on, and asks for one code only
    spawn = {w for name, w in said if name.startswith("spawn_run(")}
    assert SPAWN <= spawn, "engine/spawn.c asks for what spawn_run() never says"
    unknown = {(name, w) for name, w in said if w not in ERRORS | CODES | spawn}
    assert not unknown, f"neither in lib/errors.def nor a code of explain: {sorted(unknown)}"
    assert {"RUN_NOT_ACTIVE", "WORKFLOW_NAME_TAKEN"} <= {w for _, w in said}


def test_codes_that_become_errors(sources):
    """A statement's error column is looked up in errors.def: codes of one word too."""
    for name, text in sources.items():
        for case in re.findall(r"case((?:(?!\bcase\b|\bend\b).)*)end\s+as\s+error\b", text, re.S):
            for w in re.findall(r"(?:then|else)\s+'(\w+)'", case):
                assert w in ERRORS, f"{name}: {w} is no error of lib/errors.def"


def known(column, relation):
    return (KINDS if column == "kind" else STATUSES).get(relation, ANY[column])


def test_kinds_and_statuses(sources):
    """By the table that the alias stands for, where that can be seen; else by any."""
    checked = 0
    for name, text in sources.items():
        aliases = {}
        for relation, alias in ALIASED.findall(text):
            aliases.setdefault(alias or relation, set()).add(relation)
        for alias, column, given in COMPARED.findall(text):
            relations = aliases.get(alias, set())
            words = known(column.lower(), next(iter(relations)) if len(relations) == 1 else None)
            for w in literals(given):
                checked += 1
                if name.startswith(("engine_", "mend")) and column == "kind" and not alias:
                    continue  # a column of a result
                pattern = re.compile(re.escape(w).replace("%", ".*"))
                assert any(pattern.fullmatch(k) for k in words), f"{name}: {alias}.{column} is never '{w}', only {sorted(words)}"
    assert checked > 100


def test_facts_and_commands_that_are_written(sources):
    facts = {(name, w) for name, text in sources.items() for w in INSERTED.findall(text)}
    commands = {(name, w) for name, text in sources.items() for w in COMMANDED.findall(text)}
    assert {w for _, w in facts} <= FACTS and {"created", "retried"} <= {w for _, w in facts}, facts
    assert {w for _, w in commands} <= COMMANDS and {"cancel", "pause", "resume"} <= {w for _, w in commands}, commands


def test_facts_that_functions_name(sources):
    """Whatever is spelt like a fact of a step is one."""
    said = {(name, w) for name, text in sources.items() for w in literals(text) if re.fullmatch(r"step\.\w+", w)}
    assert {w for _, w in said} <= FACTS, sorted(said)
    assert len({w for _, w in said}) >= 10


def test_every_fact_has_a_line(cluster, deployed):
    """The log has words and a level for each; what it doesn't know it shows by its name."""
    conn = cluster.connect(deployed)
    for fact in FACTS - {"log"}:
        row = conn.query("select log_message($1, 'a', 1, '{\"error\": {\"message\": \"m\"}, \"next_at\": \"n\", \"reason\": \"r\"}') as words",
                         [25], [fact])[0]
        assert row["words"] and row["words"] != fact, fact
    conn.close()


def test_checks_of_the_tables(cluster, deployed):
    conn = cluster.connect(deployed)
    rows = conn.execute("""select conrelid::regclass::text as relation, conname as name, pg_get_constraintdef(oid) as text from pg_constraint
        where connamespace = 'millrace'::regnamespace and contype = 'c' and conname in
            ('runs_status_check', 'workflows_status_check', 'run_commands_kind_check', 'run_waits_kind_check') and conparentid = 0""")
    conn.close()
    told = {r["name"]: set(literals(r["text"])) - {""} for r in rows}
    assert told["runs_status_check"] == RUN_STATUSES
    assert told["workflows_status_check"] == STATUSES["workflows"]
    assert told["run_commands_kind_check"] == COMMANDS
    assert told["run_waits_kind_check"] == KINDS["run_waits"]
