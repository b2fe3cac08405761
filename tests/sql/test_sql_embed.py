"""tools/sql-embed refuses what it doesn't understand, and makes the same output whatever the order."""
import subprocess

import pytest

import statements

GOOD = """-- name:    x_get
-- purpose: a thing
-- params:  id int8, name text?, least int4?
-- returns: one (a int4, b text)
-- flags:   read
select 1 as a, ':id' as b -- a comment with :nothing
from t
where t.id = :id::int8
	and t.name = :name -- ?name
	and t.x is null -- ?!name
	and t.y > :least -- ?name ?least
	and t.y > 0 -- ?!least ?name
	-- ?name {
	and t.z = 1
	and t.z = 2 -- ?!least
	-- ?least {
	and t.z = 3
	-- }
	-- }
	and t.z = 4
"""
LIST = """-- name:    x_list
-- purpose: things
-- params:  after_key text?, after_id int8?, page_limit int4, page_offset int4, want_total bool
-- returns: list
-- flags:   read
-- order:   -made = t.id int8, name = lower(t.name) text
select {key}::{type}, {key} {cmp} :after_key -- ?after_id
	, :page_limit, :page_offset, :want_total, :after_id
order by {key} {dir}
"""
TAIL = """-- name:    _write_tail
-- purpose: the end
-- params:  who text, key text?
, audited as (insert into l values (:who))
, stored as (select :key) -- ?key
select * from answer
"""
WRITE = """-- name:    x_make
-- purpose: makes a thing
-- params:  id int8, key text?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with answer as (
	select :id, :key
)
"""


@pytest.fixture(scope="module")
def tool(program):
    return program.parent / "sql-embed"


def run(tool, folder, *files, what="table", ok=True):
    paths = []
    for name, text in files:
        path = folder / f"{name}.sql"
        path.write_text(text)
        paths.append(str(path))
    out = folder / "out"
    done = subprocess.run([tool, what, out, *paths], capture_output=True, text=True)
    assert (done.returncode == 0) == ok, done.stderr
    return out.read_text() if ok else done.stderr


def test_good_ones(tool, tmp_path):
    table = run(tool, tmp_path, ("x_get", GOOD), ("x_list", LIST), ("x_make", WRITE), ("_write_tail", TAIL))
    assert '"where t.id = $1::int8\\n"' in table and "':id'" in table and "comment" not in table
    assert '"and t.name = $2\\n",\n\t\t0x1, 0x0 }' in table and '"and t.x is null\\n",\n\t\t0x0, 0x1 }' in table
    assert '"and t.y > $3\\n",\n\t\t0x3, 0x0 }' in table and '"and t.y > 0\\n",\n\t\t0x1, 0x2 }' in table
    # lines in a block need what it needs, and what those around it do
    assert '"and t.z = 1\\n",\n\t\t0x1, 0x0 }' in table and '"and t.z = 2\\n",\n\t\t0x1, 0x2 }' in table
    assert '"and t.z = 3\\n",\n\t\t0x3, 0x0 }' in table and '"and t.z = 4\\n",\n\t\t0x0, 0x0 }' in table
    assert '{ "id", 20, false, 0x0 }' in table and '{ "least", 23, true, 0x2 }' in table
    assert '"order by lower(t.name) asc\\n"' in table and '"order by t.id desc\\n"' in table
    assert '"t.id::int8, t.id < $1' not in table and '"select t.id::int8, t.id < $1\\n"' in table
    assert '{ "made", true },\n\t{ "made", false },\n\t{ "name", false },\n\t{ "name", true }' in table
    # the tail's parameters are added, or are those of the statement
    assert '", audited as (insert into l values ($3))\\n"' in table
    assert '", stored as (select $2)\\n",\n\t\t0x1, 0x0 }' in table
    ids = run(tool, tmp_path, ("x_list", LIST), ("x_get", GOOD), what="ids")
    assert ids.index("MR_SQL_X_GET") < ids.index("MR_SQL_X_LIST")
    assert ids == run(tool, tmp_path, ("x_get", GOOD), ("x_list", LIST), what="ids")


FAULTS = [
    ("undeclared parameter", ("t.id = :id", "t.id = :other"), 'parameter "other" is not declared'),
    ("unused parameter", (":id::int8", "1"), 'parameter "id" is not used'),
    ("unknown type", ("id int8,", "id int9,"), 'unknown type "int9"'),
    ("no type", ("id int8,", "id,"), "has no type"),
    ("twice", ("name text?", "id text?"), "is there twice"),
    ("option of one that is always there", ("-- ?name", "-- ?id"), "is no optional parameter"),
    ("unknown option", ("-- ?!name", "-- ?!nam"), "is no optional parameter"),
    ("word after an option", ("-- ?!name", "-- ?!name and"), "is no option"),
    ("text before a block", ("-- ?name {", "and t.q -- ?name {"), "a line of its own"),
    ("text before a block's end", ("\t-- }\n\tand", "\tand t.q -- }\n\tand"), "a line of its own"),
    ("block without end", ("\t-- }\n\tand", "\tand"), "is not ended"),
    ("end without block", ("-- ?name {", "-- the name"), "no block to end"),
    ("blocks in blocks", ("-- ?least {", "-- ?least {\n" * 4), "in each other"),
    ("given and absent", ("and t.z = 2 -- ?!least", "and t.z = 2 -- ?!name"), "can't be absent too"),
    ("another name", ("x_get\n", "x_put\n"), "is not the file's"),
    ("no purpose", ("a thing", ""), "a purpose is needed"),
    ("header line missing", ("-- flags:   read\n", ""), 'lacks "flags"'),
    ("header out of order", ("-- purpose: a thing\n-- params:  id int8, name text?, least int4?\n",
                             "-- params:  id int8, name text?, least int4?\n-- purpose: a thing\n"), "out of place"),
    ("header line after the header", ("from t\n", "-- flags:   write\nfrom t\n"), "after its end"),
    ("unknown flag", ("   read", "   reed"), "unknown flag"),
    ("read and write", ("   read", "   read write"), "either read or write"),
    ("system that reads", ("   read", "   read system"), "system is for"),
    ("no columns", ("one (a int4, b text)", "one"), "must have them"),
    ("columns of none", ("one (a int4, b text)", "none (a int4)"), "must have them"),
    ("list without order", ("one (a int4, b text)", "list"), "a list has an order"),
    ("placeholder elsewhere", ("from t\n", "from t order by {key}\n"), "is for lists"),
    ("unknown placeholder", ("from t\n", "from {table}\n"), "unknown placeholder"),
    ("two statements", ("from t\n", "from t; drop table t\n"), "one statement a file"),
    ("numbered parameter", ("from t\n", "from t where $1\n"), "written :name"),
    ("block comment", ("from t\n", "from t /* x */\n"), "comments are written"),
    ("open quote", ("from t\n", "from t where 'x\n"), "not closed"),
    ("escapes", ("from t\n", "from t where E'\\n' = ''\n"), "without escapes"),
    ("write without tail", ("   read", "   write"), "one row, from a CTE named answer"),
]


@pytest.mark.parametrize("change,message", [f[1:] for f in FAULTS], ids=[f[0].replace(" ", "_") for f in FAULTS])
def test_faults(tool, tmp_path, change, message):
    assert change[0] in GOOD
    error = run(tool, tmp_path, ("x_get", GOOD.replace(*change)), ok=False)
    assert message in error and "x_get.sql" in error
    assert not (tmp_path / "out").exists()


def test_answers_are_complete(tool, tmp_path):
    error = run(tool, tmp_path, ("x_make", WRITE.replace(", action text", "")), ("_write_tail", TAIL), ok=False)
    assert 'lacks the column "action text"' in error
    assert "_write_tail.sql is missing" in run(tool, tmp_path, ("x_make", WRITE), ok=False)
    error = run(tool, tmp_path, ("x_make", WRITE), ("_write_tail", TAIL.replace("key text?", "key int8?")), ok=False)
    assert "another type in _write_tail" in error


PART = """-- name:    _rest
-- purpose: a part
-- params:  name text?, id int8
	and t.a = :id
	and t.b = :name -- ?name
"""


def test_parts(tool, tmp_path):
    good = GOOD.replace("\tand t.z = 4\n", "-- ?least {\n-- include: _rest\n-- }\n")
    table = run(tool, tmp_path, ("_rest", PART), ("x_get", good))
    # its parameters have the statement's numbers, and its lines need what the block around them does
    assert '"and t.a = $1\\n",\n\t\t0x2, 0x0 }' in table and '"and t.b = $2\\n",\n\t\t0x3, 0x0 }' in table
    assert table == run(tool, tmp_path, ("x_get", good), ("_rest", PART))
    whole = ("_whole", "-- name:    _whole\n-- purpose: a part\n-- params:  name text?, id int8\n-- include: _rest\n")
    assert table == run(tool, tmp_path, ("_rest", PART), whole, ("x_get", good.replace("_rest", "_whole")))
    for files, message in [
            ([("x_get", good)], 'no part "_rest"'),
            ([("x_get", GOOD), ("_rest", PART)], "no statement includes it"),
            ([("x_get", good), ("_rest", PART.replace(":id", ":other").replace("id int8", "other int8"))], '"other" of _rest is not declared'),
            ([("x_get", good), ("_rest", PART.replace("int8", "int4"))], "another type in _rest"),
            ([("x_get", good.replace("-- ?least {", "-- ?!name {")), ("_rest", PART)], "can't be absent too"),
    ]:
        assert message in run(tool, tmp_path, *files, ok=False)


def test_makefile_lists_every_file():
    listed = (statements.ROOT / "sql/Makefile.inc").read_text()
    for path in sorted((statements.ROOT / "sql").rglob("*.sql")):
        name = str(path.relative_to(statements.ROOT))
        assert f"\t{name} \\\n" in listed or f"\t{name}\n" in listed or f" {name}\n" in listed, name
