#include "engine/ids.h"

#include <stdlib.h>

#include "engine/claim.h"
#include "engine/engine.h"
#include "engine/load.h"
#include "engine/query.h"
#include "lib/log.h"

#define BLOCK_LEN  1000
#define BLOCKS_MAX 512 /* half a million ids */
#define BLOCKS_LOW 256 /* draw more below this */
#define BLOCKS_MIN 32  /* runs don't go on below this */

struct mr_ids {
	struct mr_engine *engine;
	struct mr_query query;
	int64_t blocks[BLOCKS_MAX]; /* a ring of bases not yet begun, in the order drawn */
	unsigned blocks_head, blocks_len;
	int64_t next, end; /* the block in use */
	bool dry;
};

static void drawn(struct mr_query *q)
{
	struct mr_ids *ids = q->engine->ids;
	bool was_enough = mr_ids_enough(ids);
	int rows;

	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "no journal ids", MR_F_Z("detail", q->unit.message),
		    MR_F_Z("sqlstate", q->unit.sqlstate));
		return; /* the engine's tick asks again */
	}
	rows = PQntuples(mr_query_result(q, 0));
	for (int i = 0; i < rows && ids->blocks_len < BLOCKS_MAX; i++) {
		ids->blocks[(ids->blocks_head + ids->blocks_len) % BLOCKS_MAX] =
		    mr_pg_i64(mr_query_result(q, 0), i, "base", 0);
		ids->blocks_len++;
	}
	if (!was_enough && mr_ids_enough(ids)) {
		mr_load_kick(ids->engine->load);
		mr_claim_kick(ids->engine->claim);
	}
}

struct mr_ids *mr_ids_create(struct mr_engine *e)
{
	struct mr_ids *ids = calloc(1, sizeof(*ids));

	if (ids == NULL)
		return NULL;
	ids->engine = e;
	if (mr_query_init(&ids->query, e, drawn) < 0) {
		free(ids);
		return NULL;
	}
	return ids;
}

struct mr_ids *mr_ids_free(struct mr_ids *ids)
{
	if (ids != NULL)
		mr_query_done(&ids->query);
	free(ids);
	return NULL;
}

void mr_ids_fill(struct mr_ids *ids)
{
	if (ids->query.busy || ids->blocks_len >= BLOCKS_LOW)
		return;
	mr_query_begin(&ids->query);
	mr_query_call(&ids->query, MR_SQL_ENGINE_IDS);
	mr_query_i64(&ids->query, "blocks", BLOCKS_MAX - ids->blocks_len);
	(void)mr_query_submit(&ids->query); /* without memory the next tick tries again */
}

bool mr_ids_enough(const struct mr_ids *ids)
{
	return ids->blocks_len >= BLOCKS_MIN;
}

int64_t mr_ids_next(void *ctx)
{
	struct mr_ids *ids = ctx;

	if (ids->next == ids->end) {
		if (ids->blocks_len == 0) {
			ids->dry = true;
			return 0;
		}
		ids->next = ids->blocks[ids->blocks_head];
		ids->blocks_head = (ids->blocks_head + 1) % BLOCKS_MAX;
		ids->blocks_len--;
		ids->end = ids->next + BLOCK_LEN;
	}
	return ids->next++;
}

bool mr_ids_were_dry(struct mr_ids *ids)
{
	bool dry = ids->dry;

	ids->dry = false;
	return dry;
}
