#include "engine/engine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/after.h"
#include "engine/agents.h"
#include "engine/claim.h"
#include "engine/commands.h"
#include "engine/definitions.h"
#include "engine/effects.h"
#include "engine/flush.h"
#include "engine/housekeeping.h"
#include "engine/ids.h"
#include "engine/jq.h"
#include "engine/lease.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/payloads.h"
#include "engine/runs.h"
#include "engine/sandbox.h"
#include "engine/secrets.h"
#include "engine/slots.h"
#include "engine/spawn.h"
#include "engine/timers.h"
#include "lib/error.h"
#include "lib/log.h"
#include "net/auth_call.h"
#include "net/http_client.h"
#include "sql/sql_ids.h"

#define TICK_MS           50
#define COMMANDS_MS       1000
#define DRAIN_MS          5000 /* for effects under way at SIGTERM */
#define DRAIN_LAST_MS     8000 /* for the database to take the rest */
#define DEFINITIONS_MAX   1000
#define STATEMENT_MS      10000 /* a large flush on a busy disk */
#define SLOW_STATEMENT_MS 60000
#define LOCK_MS           5000
#define SILENCE_MS        12000
#define QUEUE_MAX         10000

/* ---- the bus ---- */

/* The id behind KIND in PAYLOAD. */
static bool names(struct mr_str payload, struct mr_str kind, int64_t *run_id)
{
	return mr_str_starts(payload, kind) &&
	       mr_str_i64((struct mr_str){ payload.p + kind.len, payload.len - kind.len }, run_id);
}

/* "r": runs are queued; "r:ID": this one is; "c:ID": it has a command; "s:ID": a secret of that
 * tenant has changed. */
static void on_wake(void *ctx, struct mr_str channel, struct mr_str payload)
{
	struct mr_engine *e = ctx;
	int64_t run_id, tenant_id;

	(void)channel;
	if (names(payload, MR_STR("r:"), &run_id)) {
		mr_claim_named(e->claim, run_id);
	} else if (names(payload, MR_STR("c:"), &run_id)) {
		mr_commands_hint(e->commands, run_id);
		mr_claim_wake(e->claim); /* it may be queued now for its command */
	} else if (names(payload, MR_STR("s:"), &tenant_id)) {
		mr_secrets_changed(e->secrets, tenant_id);
	} else {
		mr_claim_wake(e->claim);
	}
}

/* ---- closing ---- */

static void one_closed(struct mr_engine *e)
{
	e->closing--;
}

static void part_closed(void *ctx)
{
	one_closed(ctx);
}

static void handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void pg_closed(void *ctx)
{
	one_closed(ctx);
}

static void bus_closed(void *ctx)
{
	struct mr_engine *e = ctx;

	one_closed(e);
	e->closing++;
	mr_pg_close(e->pg, pg_closed, e);
	e->pg = NULL;
}

static void drop_all(struct mr_engine *e)
{
	mr_runs_each(e->runs, mr_held_drop);
}

static void close_all(struct mr_engine *e)
{
	e->state = MR_ENGINE_CLOSING;
	drop_all(e);
	e->closing = 4;
	mr_http_client_close(e->host.http, part_closed, e);
	mr_sandbox_pool_close(e->host.sandbox, part_closed, e);
	mr_jq_pool_close(e->host.jq, part_closed, e);
	mr_bus_close(e->bus, bus_closed, e);
	uv_close((uv_handle_t *)&e->tick, handle_closed);
	mr_timers_close(e->timers, handle_closed);
	mr_flush_close(e->flush, handle_closed);
	mr_effects_close(e->effects, handle_closed);
	mr_agents_close(e->agents, handle_closed);
	mr_load_close(e->load, handle_closed);
}

/* ---- draining ---- */

static void lease_ended(struct mr_engine *e)
{
	if (e->state == MR_ENGINE_CLOSING)
		return;
	mr_log(MR_LOG_INFO, "engine stopped", MR_F_N("engine_id", e->id));
	close_all(e);
}

void mr_engine_drain(struct mr_engine *e)
{
	if (e->state >= MR_ENGINE_DRAINING)
		return;
	e->state = MR_ENGINE_DRAINING;
	e->drain_since_ms = uv_now(e->loop);
	mr_log(MR_LOG_INFO, "engine stops", MR_F_N("runs", mr_runs_len(e->runs)),
	    MR_F_N("count", mr_effects_in_flight(e->effects)));
}

static void drain(struct mr_engine *e)
{
	uint64_t since = uv_now(e->loop) - e->drain_since_ms;
	bool quiet = mr_flush_is_idle(e->flush) && mr_load_len(e->load) == 0 &&
	             mr_payloads_is_idle(e->payloads) && !mr_claim_is_busy(e->claim);

	if (since >= DRAIN_LAST_MS && e->state == MR_ENGINE_ENDING) {
		lease_ended(e); /* the database is away: the lease will run out */
	} else if (e->state == MR_ENGINE_DRAINING &&
	           ((quiet && (mr_effects_in_flight(e->effects) == 0 || since >= DRAIN_MS)) ||
	               since >= DRAIN_LAST_MS)) {
		e->state = MR_ENGINE_ENDING;
		mr_lease_end(e->lease, lease_ended);
	}
}

/* ---- the lease's words ---- */

void mr_engine_registered(struct mr_engine *e, int64_t id)
{
	e->id = id;
	mr_log(MR_LOG_INFO, "engine registered", MR_F_N("engine_id", id),
	    MR_F_Z("address", mr_lease_host(e->lease)));
	if (e->state == MR_ENGINE_REGISTERING)
		e->state = MR_ENGINE_RUNNING;
	mr_ids_fill(e->ids);
	mr_claim_wake(e->claim);
}

void mr_engine_unfit(struct mr_engine *e, const char *why)
{
	mr_log(MR_LOG_ERROR, "schema does not fit", MR_F_Z("detail", why));
	e->misfit = true;
	(void)raise(SIGTERM); /* main's handles close as they do whenever it ends */
}

void mr_engine_lost(struct mr_engine *e)
{
	mr_log(MR_LOG_ERROR, "lease lost", MR_F_N("engine_id", e->id),
	    MR_F_N("runs", mr_runs_len(e->runs)));
	drop_all(e);
	e->id = 0;
	if (e->state == MR_ENGINE_RUNNING)
		e->state = MR_ENGINE_REGISTERING;
}

/* ---- the tick ---- */

static void on_tick(uv_timer_t *timer)
{
	struct mr_engine *e = timer->data;
	uint64_t now = uv_now(e->loop);

	if (e->state != MR_ENGINE_ENDING)
		mr_lease_tick(e->lease);
	if (e->id != 0) {
		mr_ids_fill(e->ids);
		mr_secrets_tick(e->secrets);
		mr_load_kick(e->load);
		mr_claim_tick(e->claim);
		mr_spawn_tick(e->host.spawn);
		mr_slots_kick(e->slots);
		mr_agents_tick(e->agents);
		mr_after_kick(e->after);
		mr_payloads_tick(e->payloads);
		mr_housekeeping_tick(e->housekeeping);
	}
	if (now >= e->commands_at_ms) {
		e->commands_at_ms = now + COMMANDS_MS;
		mr_commands_ask(e->commands);
	}
	if (e->state == MR_ENGINE_DRAINING || e->state == MR_ENGINE_ENDING)
		drain(e);
}

/* ---- opening ---- */

static struct mr_pg *open_pg(struct mr_engine *e)
{
	const struct mr_settings *s = e->settings;
	struct mr_pg_settings pg = {
		.conninfo = s->engine_database_url,
		.shared = (unsigned)(s->db_connections < 3 ? 3 : s->db_connections),
		.exclusive_max = 4, /* housekeeping, and what comes after a flush */
		.statement_timeout_ms = STATEMENT_MS,
		.slow_timeout_ms = SLOW_STATEMENT_MS,
		.lock_timeout_ms = LOCK_MS,
		.queue_max = QUEUE_MAX,
		.silence_ms = SILENCE_MS,
		.stmt_tenant_read = MR_SQL_SESSION_TENANT_READ,
		.stmt_tenant_write = MR_SQL_SESSION_TENANT_WRITE,
		.stmt_listen = MR_SQL_BUS_LISTEN,
		.stmt_notify = MR_SQL_BUS_NOTIFY,
	};

	return mr_pg_create(e->loop, &pg);
}

static struct mr_http_options http_options(const struct mr_settings *s)
{
	return (struct mr_http_options){
		.prefix = "engine",
		.allowed_addresses = s->engine_allowed_addresses,
		.resolve = s->engine_resolve,
		.ca_file = s->engine_ca_file,
		.max_connections = s->engine_http_max_connections,
		.max_body_bytes = s->engine_http_max_body_bytes,
	};
}

static int open_outside(struct mr_engine *e)
{
	struct mr_error err = { .detail = "" };

	e->host.loop = e->loop;
	e->host.settings = e->settings;
	e->host.pg = e->pg;
	if (mr_http_client_create(e->loop, http_options(e->settings), &e->host.http, &err) < 0 ||
	    mr_sandbox_pool_create(e->loop, e->settings, &e->host.sandbox, &err) < 0 ||
	    mr_jq_pool_create(e->loop, e->settings, &e->host.jq, &err) < 0) {
		mr_log(MR_LOG_ERROR, "settings refused", MR_F_Z("detail", err.detail));
		return MR_E_INVALID;
	}
	return 0;
}

static int open_secrets(struct mr_engine *e)
{
	struct mr_error err = { .detail = "out of memory" };

	e->secrets = mr_secrets_create(e, &err);
	if (e->secrets != NULL)
		e->host.seal = mr_secrets_keys(e->secrets);
	else
		mr_log(MR_LOG_ERROR, "keys of secrets are not read", MR_F_Z("detail", err.detail));
	return e->secrets != NULL ? 0 : MR_E_INVALID;
}

static int open_parts(struct mr_engine *e)
{
	e->metrics = mr_metrics_create();
	e->definitions = mr_definitions_create(DEFINITIONS_MAX);
	e->runs = mr_runs_create(e);
	e->timers = mr_timers_create(e);
	e->effects = mr_effects_create(e);
	e->ids = mr_ids_create(e);
	e->lease = mr_lease_create(e);
	e->load = mr_load_create(e);
	e->flush = mr_flush_create(e);
	e->payloads = mr_payloads_create(e);
	e->after = mr_after_create(e);
	e->slots = mr_slots_create(e);
	e->agents = e->host.agents = mr_agents_create(e);
	e->host.tokens = mr_auth_tokens_create(e->loop);
	e->host.spawn = mr_spawn_create(e);
	e->commands = mr_commands_create(e);
	e->claim = mr_claim_create(e);
	e->housekeeping = mr_housekeeping_create(e);
	if (e->metrics == NULL || e->definitions == NULL || e->runs == NULL || e->timers == NULL ||
	    e->effects == NULL || e->ids == NULL || e->lease == NULL || e->load == NULL ||
	    e->flush == NULL || e->payloads == NULL || e->after == NULL || e->slots == NULL ||
	    e->agents == NULL || e->host.tokens == NULL || e->host.spawn == NULL ||
	    e->commands == NULL || e->claim == NULL || e->housekeeping == NULL)
		return MR_E_NOMEM;
	return 0;
}

int mr_engine_open(struct mr_engine *e, uv_loop_t *loop, const struct mr_settings *settings)
{
	memset(e, 0, sizeof(*e));
	e->loop = loop;
	e->settings = settings;
	e->clock = &mr_clock_system;
	e->rand = mr_rand_system;
	e->database_ahead_us = e->clock->now_us(e->clock->ctx) - mr_engine_mono_us(e);
	if (mr_env_init(&e->env, settings->engine_env_allowed) < 0)
		return MR_E_NOMEM;
	e->pg = open_pg(e);
	if (e->pg == NULL)
		return MR_E_NOMEM;
	e->bus = mr_bus_create(loop, settings->redis_url, e->pg);
	if (e->bus == NULL || open_outside(e) < 0 || open_secrets(e) < 0)
		return MR_E_INVALID;
	if (open_parts(e) < 0)
		return MR_E_NOMEM;
	mr_jq_pool_measure(e->host.jq, e->metrics);
	if (mr_bus_subscribe(e->bus, MR_BUS_WAKE, on_wake, e) < 0)
		return MR_E_NOMEM;
	e->tick.data = e;
	(void)uv_timer_init(loop, &e->tick); /* these always succeed */
	(void)uv_timer_start(&e->tick, on_tick, 0, TICK_MS);
	return 0;
}

int mr_engine_reload(struct mr_engine *e, const struct mr_settings *settings)
{
	struct mr_error err = { .detail = "" };

	if (e->state >= MR_ENGINE_CLOSING)
		return MR_E_CANCELLED;
	if (mr_http_client_reload(e->host.http, http_options(settings), &err) < 0) {
		mr_log(MR_LOG_ERROR, "settings refused", MR_F_Z("detail", err.detail));
		return MR_E_INVALID;
	}
	if (mr_env_reload(&e->env, settings->engine_env_allowed) < 0)
		return MR_E_NOMEM;
	e->settings = e->host.settings = settings;
	return 0;
}

void mr_engine_done(struct mr_engine *e)
{
	e->housekeeping = mr_housekeeping_free(e->housekeeping);
	e->claim = mr_claim_free(e->claim);
	e->commands = mr_commands_free(e->commands);
	e->host.spawn = mr_spawn_free(e->host.spawn);
	e->slots = mr_slots_free(e->slots);
	e->agents = e->host.agents = mr_agents_free(e->agents);
	e->host.tokens = mr_auth_tokens_free(e->host.tokens);
	e->after = mr_after_free(e->after);
	e->flush = mr_flush_free(e->flush);
	e->payloads = mr_payloads_free(e->payloads);
	e->load = mr_load_free(e->load);
	e->lease = mr_lease_free(e->lease);
	e->ids = mr_ids_free(e->ids);
	e->effects = mr_effects_free(e->effects);
	e->timers = mr_timers_free(e->timers);
	e->runs = mr_runs_free(e->runs);
	e->secrets = mr_secrets_free(e->secrets);
	e->definitions = mr_definitions_free(e->definitions);
	e->metrics = mr_metrics_free(e->metrics);
	mr_env_done(&e->env);
}
