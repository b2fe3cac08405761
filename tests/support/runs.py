"""What engine tests look at: the journal, the rows of runs, and engines beside the stack's own."""
import itertools
import json
import os
import signal
import subprocess
import uuid

from .stack import own_keys, wait_until


def call(stack, path, **more):
    """A step that calls the receiver."""
    return {"name": path.strip("/"), "type": "http_request",
            "config": {"url": stack.receiver.url + path, "method": "POST", "json": {"from": path}},
            **more}


def log(name="l"):
    return {"name": name, "type": "log", "config": {"message": f"this is {name}"}}


def delay(seconds, name="d"):
    return {"name": name, "type": "delay", "config": {"seconds": seconds}}


def start(stack, steps, **more):
    """A new workflow's new run: its id."""
    workflow = stack.api.workflow(steps, **more)
    return stack.api.execute(workflow["id"])["run_id"]


def row(stack, run_id):
    return stack.rows(f"select * from millrace.runs where id = {run_id}")[0]


def facts(stack, run_id):
    """The journal as ["started", "step.completed:name", …], in order."""
    rows = stack.rows(f"select kind, step from millrace.journal where run_id = {run_id} order by seq")
    return [r["kind"] + (f":{r['step']}" if r["step"] else "") for r in rows]


def wait_fact(stack, run_id, fact, timeout=20):
    wait_until(lambda: fact in facts(stack, run_id), timeout, message=f"run {run_id}: no {fact}")


def is_asleep(r):
    return r["wake_at"] is not None and r["owner_id"] is None and not r["queued"]


def wait_asleep(stack, run_id):
    return wait_until(lambda: (lambda r: is_asleep(r) and r)(row(stack, run_id)), 20,
                      message=f"run {run_id} was not released")


def check_journal(stack, first, last):
    """Whatever happened: dense, nothing recorded twice, the row as the journal says."""
    between = f"run_id between {first} and {last}"
    assert stack.rows(f"select step_execution_id from millrace.journal where {between} "
                      "and kind = 'step.completed' group by 1 having count(*) > 1") == []
    assert stack.rows(f"select run_id, count(*), max(seq) from millrace.journal where {between} "
                      "group by 1 having count(*) <> max(seq)") == []
    assert stack.rows(f"select r.id from millrace.runs r where id between {first} and {last} and seq <> "
                      "(select max(seq) from millrace.journal j where j.run_id = r.id)") == []


def counters(stack, pid):
    """What an engine has in its row: name and labels → number, of histograms _sum and _count; tenants added up."""
    metrics = stack.rows(f"select metrics from millrace.engines where pid = {pid}")[0]["metrics"] or {}
    found = dict(metrics.get("now", {}))
    for _, name, numbers in metrics.get("counted", []):
        bare, brace, labels = name.partition("{")
        told = {name: numbers[0]} if len(numbers) == 1 else {
            f"{bare}_sum{brace}{labels}": numbers[0], f"{bare}_count{brace}{labels}": sum(numbers[1:])}
        for key, n in told.items():
            found[key] = found.get(key, 0) + n
    return found


class Engine:
    """One more engine on the stack's database."""

    def __init__(self, stack, environment=None, **settings):
        self.stack = stack
        settings = {**own_keys(stack), **settings}
        environment = {**os.environ, **{f"MILLRACE_{k.upper()}": str(v) for k, v in settings.items()},
                       **(environment or {})}
        self.log = open(stack.log_dir / f"engine-beside-{uuid.uuid4().hex[:8]}.log", "w")
        self.process = subprocess.Popen([f"{stack.inst}/sbin/millrace-engine", "-c", stack.config],
                                        env=environment, stderr=self.log)
        self.pid = self.process.pid
        wait_until(lambda: stack.rows(f"select 1 as up from millrace.engines where pid = {self.pid}"),
                   20, message="the engine did not register")

    def said(self, event):
        """Its log lines about that event."""
        with open(self.log.name) as f:
            lines = [json.loads(line) for line in f if line.startswith("{") and line.endswith("}\n")]
        return [line for line in lines if line["event"] == event]

    def samples(self):
        """Its counters, as it reported them last."""
        return counters(self.stack, self.pid)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=20):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            return self.process.wait(timeout)
        finally:
            self.log.close()


# ---- what comes from outside ----

def tenant_of(stack, run_id):
    return row(stack, run_id)["tenant_id"]


def publish(stack, type, data=None, tenant="default"):
    """An event from outside: its id."""
    text = json.dumps(data).replace("'", "''")
    return int(stack.psql("set search_path = millrace; select (event).id from publish_event("
                          f"(select id from tenants where name = '{tenant}'), '{type}', 'test', '{text}', null, 'test')"))


def command(stack, run_id, kind, data):
    """Puts something down for a run, as the API does for signals and variables."""
    text = json.dumps(data).replace("'", "''")
    stack.psql("set search_path = millrace; insert into run_commands (tenant_id, run_id, kind, data) "
               f"select tenant_id, id, '{kind}', '{text}' from runs where id = {run_id}; "
               f"select wake_runs('{{{run_id}}}')")


def signal_run(stack, run_id, type, data=None):
    command(stack, run_id, "signal", {"id": next(signals), "type": type, "data": data})


signals = itertools.count(1)


def is_waiting(r):
    return r["awaits"] > 0 and r["owner_id"] is None and not r["queued"]


def wait_waiting(stack, run_id):
    """Until it is released and awaits something."""
    return wait_until(lambda: (lambda r: is_waiting(r) and r)(row(stack, run_id)), 20,
                      message=f"run {run_id} does not wait")


def waits(stack, run_id):
    """[(step, kind, event type, child)] that it waits for."""
    return [(w["step"], w["kind"], w["event_type"], w["child_run_id"]) for w in stack.rows(
        f"select * from millrace.run_waits where run_id = {run_id} order by step_execution_id, event_type")]


def children(stack, run_id):
    return [r["id"] for r in stack.rows(
        f"select id from millrace.runs where parent_run_id = {run_id} order by id")]


def result(stack, run_id):
    return stack.api.run(run_id)["result_data"]
