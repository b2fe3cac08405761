"""Writes down a history for check_history.py: what the test's clients and services record, and what the
database holds. The stack must have been started with track_commit_timestamp."""
import json
import threading

# One JSON object a line. What a client was told is in the audit log, whose rows never change: their
# xmin is the transaction of the answer.
RUNS = """
select json_build_object('type', 'run', 'id', id, 'key', input ->> 'key', 'status', status, 'seq', seq,
	'owner', owner_id, 'queued', queued, 'wake_at', wake_at, 'parent', parent_run_id)
from millrace.runs where id >= {first} order by id
"""
# Rows of one execution name its type only where it begins or ends.
FACTS = """
select json_build_object('type', 'fact', 'run', run_id, 'seq', seq, 'id', id, 'xid', xid::text::bigint,
	'commit', extract(epoch from pg_xact_commit_timestamp(xid::xid)), 'at', extract(epoch from at),
	'kind', case when kind = 'failed' and data ->> 'compensating' = 'true' then 'failing' else kind end,
	'step', step, 'execution', step_execution_id, 'iteration', iteration, 'attempt', attempt, 'of', data ->> 'type')
from millrace.journal where run_id >= {first} order by run_id, seq
"""
COMMANDS = """
select json_build_object('type', 'command', 'run', entity_id, 'commit',
	extract(epoch from pg_xact_commit_timestamp(xmin)), 'kind',
	case action when 'cancelled' then 'cancel' when 'paused' then 'pause' when 'resumed' then 'resume' else 'retry' end)
from millrace.audit_logs
where entity_type = 'run' and entity_id >= {first} and action in ('cancelled', 'paused', 'resumed', 'retried')
order by id
"""


class Recorder:
    """Lines of a history, from many threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.lines = []

    def add(self, type, **more):
        line = {"type": type, **more}
        with self.lock:
            self.lines.append(line)
        return line

    def since(self, mark):
        with self.lock:
            return list(self.lines[mark:])

    def __len__(self):
        with self.lock:
            return len(self.lines)


def export(stack, recorded, first_run, path):
    """Everything from run `first_run` on, to `path`. Of what was recorded only what is about these runs."""
    with open(path, "w") as out:
        for line in recorded:
            if line.get("run") is None or line["run"] >= first_run:
                out.write(json.dumps(line) + "\n")
        for query in (RUNS, FACTS, COMMANDS):
            text = stack.psql(query.format(first=first_run))
            out.write(text + "\n" if text else "")
