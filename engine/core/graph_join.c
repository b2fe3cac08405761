/* What makes a step begin: how many of those before it, or of a parallel's branches. */
#include "engine/core/graph_private.h"

static const struct mr_member_row join_rows[] = { { "n", MR_MEMBER_USED } };

static void read_count(struct mr_compile *c, const struct mr_value *join, struct mr_str path,
    size_t among, const char *things, struct mr_join *ret)
{
	const struct mr_value *n = mr_graph_get(join, "n");
	int64_t count;

	mr_graph_check_members(c, join, path, join_rows, MR_ARRAY_LEN(join_rows));
	path = mr_graph_pathz(c, path, "n");
	ret->kind = MR_JOIN_N;
	if (n == NULL)
		mr_graph_fault(c, path, "required", "how many must complete");
	else if (!mr_graph_check_int(c, n, path, 1, MR_GRAPH_MAX_STEPS, &count))
		return;
	else if ((size_t)count > among)
		mr_graph_fault(
		    c, path, "range", "must be at most %zu, the number of %s", among, things);
	else
		ret->n = (unsigned)count;
}

/* V holds "join" and "cancel_rest"; AMONG is how many THINGS there are to wait for. */
void mr_graph_join(struct mr_compile *c, const struct mr_value *v, struct mr_str path, size_t among,
    const char *things, struct mr_join *ret)
{
	static const char *const words[] = { [MR_JOIN_OK] = "ok",
		[MR_JOIN_ALL] = "all",
		[MR_JOIN_ANY] = "any",
		[MR_JOIN_DONE] = "done",
		NULL };
	const struct mr_value *join = mr_graph_get(v, "join");
	struct mr_str at = mr_graph_pathz(c, path, "join");
	int word = 0;

	*ret = (struct mr_join){ .kind = MR_JOIN_OK };
	if (join != NULL && join->kind == MR_VALUE_MAP)
		read_count(c, join, at, among, things, ret);
	else if (join != NULL && join->kind == MR_VALUE_STRING)
		word = mr_graph_check_word(c, join, at, words);
	else if (join != NULL)
		mr_graph_fault(c, at, "type",
		    "must be \"ok\", \"all\", \"any\", \"done\" or an object such as {\"n\": 2}");
	if (word > 0)
		ret->kind = (enum mr_join_kind)word;
	ret->cancel_rest = mr_graph_check_flag(c, v, path, "cancel_rest");
	if (ret->cancel_rest && ret->kind != MR_JOIN_ANY && ret->kind != MR_JOIN_N)
		mr_graph_fault(c, mr_graph_pathz(c, path, "cancel_rest"), "conflict",
		    "nothing is left when all have ended; it goes with join \"any\" or {\"n\": …}");
}
