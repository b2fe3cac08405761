/* What a wait waits for: a time, events, or several of these. */
#include "engine/core/graph_private.h"

#include "lib/clock.h"

#define MOST_ITEMS  100
#define MOST_EVENTS 1000

static const struct mr_member_row item_rows[] = {
	{ "duration", MR_MEMBER_USED },
	{ "until", MR_MEMBER_USED },
	{ "event", MR_MEMBER_USED },
};

static const struct mr_member_row event_rows[] = {
	{ "type", MR_MEMBER_USED },
	{ "match", MR_MEMBER_USED },
	{ "count", MR_MEMBER_USED },
};

static int read_event(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_wait_item *ret)
{
	const struct mr_value *type, *match, *count;
	struct mr_str at = mr_graph_pathz(c, path, "type");
	int64_t n;
	int r = 0;

	if (v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type", "must be an object with \"type\"");
		return 0;
	}
	mr_graph_check_members(c, v, path, event_rows, MR_ARRAY_LEN(event_rows));
	type = mr_graph_get(v, "type");
	match = mr_graph_get(v, "match");
	count = mr_graph_get(v, "count");
	if (type == NULL)
		mr_graph_fault(c, at, "required", "which events it waits for");
	else if (type->kind != MR_VALUE_STRING || type->s.len == 0)
		mr_graph_fault(c, at, "type", "must be the type of an event");
	else if (type->s.len > MR_GRAPH_MAX_EVENT && !mr_graph_is_dynamic(type))
		mr_graph_fault(c, at, "limit", "must be at most %d bytes", MR_GRAPH_MAX_EVENT);
	else
		r = mr_graph_template(c, type, at, &ret->event_type);
	if (match != NULL && r == 0) {
		ret->match_source = *match;
		r = mr_graph_condition(c, match, mr_graph_pathz(c, path, "match"), &ret->match);
	}
	if (count == NULL || r < 0)
		return r;
	at = mr_graph_pathz(c, path, "count");
	if (!mr_graph_is_dynamic(count) && !mr_graph_check_int(c, count, at, 1, MOST_EVENTS, &n))
		return 0;
	return mr_graph_template(c, count, at, &ret->count);
}

static int read_time(struct mr_compile *c, const struct mr_value *duration,
    const struct mr_value *until, struct mr_str path, struct mr_wait_item *ret)
{
	struct mr_str at = mr_graph_pathz(c, path, duration != NULL ? "duration" : "until");
	int64_t us;

	if (duration != NULL) {
		if (!mr_graph_is_dynamic(duration) &&
		    !mr_graph_check_duration(c, duration, at, 0, MR_GRAPH_LONGEST_US, &us))
			return 0;
		return mr_graph_template(c, duration, at, &ret->duration);
	}
	if (!mr_graph_is_dynamic(until) &&
	    (until->kind != MR_VALUE_STRING || mr_time_parse(until->s, &us) < 0)) {
		mr_graph_fault(c, at, "format", "must be a time such as \"2026-01-31T12:00:00Z\"");
		return 0;
	}
	return mr_graph_template(c, until, at, &ret->until);
}

/* V is a map that has one of duration, until and event. */
static int read_item(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_wait_item *ret)
{
	const struct mr_value *duration = mr_graph_get(v, "duration");
	const struct mr_value *until = mr_graph_get(v, "until");
	const struct mr_value *event = mr_graph_get(v, "event");
	int given = (duration != NULL) + (until != NULL) + (event != NULL);

	if (given > 1)
		mr_graph_fault(c, path, "conflict",
		    "has one of \"duration\", \"until\" and \"event\"; several go into \"any\" or "
		    "\"all\"");
	if (given != 1)
		return 0;
	if (event != NULL)
		return read_event(c, event, mr_graph_pathz(c, path, "event"), ret);
	return read_time(c, duration, until, path, ret);
}

static int read_list(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_step *s)
{
	struct mr_wait_item *items;
	int r = 0;

	if (v->kind != MR_VALUE_LIST || v->list->len == 0 || v->list->len > MOST_ITEMS) {
		mr_graph_fault(c, path,
		    v->kind == MR_VALUE_LIST && v->list->len > 0 ? "limit" : "type",
		    "must be a list of 1 to %d objects with \"duration\", \"until\" or \"event\"",
		    MOST_ITEMS);
		return 0;
	}
	items = mr_arena_array(c->arena, v->list->len, sizeof(*items));
	if (items == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < v->list->len && r == 0; i++) {
		const struct mr_value *item = &v->list->items[i];
		struct mr_str at = mr_graph_path_at(c, path, i);

		if (item->kind == MR_VALUE_MAP)
			mr_graph_check_members(c, item, at, item_rows, MR_ARRAY_LEN(item_rows));
		if (item->kind != MR_VALUE_MAP ||
		    (mr_graph_get(item, "duration") == NULL &&
		        mr_graph_get(item, "until") == NULL && mr_graph_get(item, "event") == NULL))
			mr_graph_fault(c, at, "required",
			    "must be an object with \"duration\", \"until\" or \"event\"");
		else
			r = read_item(c, item, at, &items[i]);
	}
	s->waits = items;
	s->waits_len = v->list->len;
	return r;
}

int mr_graph_flow_wait(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s)
{
	const struct mr_value *any = mr_graph_get(config, "any");
	const struct mr_value *all = mr_graph_get(config, "all");
	bool single = mr_graph_get(config, "duration") != NULL ||
	              mr_graph_get(config, "until") != NULL ||
	              mr_graph_get(config, "event") != NULL;
	struct mr_wait_item *item;

	if (single + (any != NULL) + (all != NULL) > 1) {
		mr_graph_fault(c, d->config_path, "conflict",
		    "\"any\" and \"all\" stand alone; put what else it waits for into them");
		return 0;
	}
	s->wait_all_of = all != NULL;
	if (any != NULL || all != NULL)
		return read_list(c, any != NULL ? any : all,
		    mr_graph_pathz(c, d->config_path, any != NULL ? "any" : "all"), s);
	if (!single) {
		mr_graph_fault(c, d->config_path, "required",
		    "a wait needs \"duration\", \"until\", \"event\", \"any\" or \"all\"");
		return 0;
	}
	item = mr_arena_zalloc(c->arena, sizeof(*item));
	if (item == NULL)
		return MR_E_NOMEM;
	s->waits = item;
	s->waits_len = 1;
	return read_item(c, config, d->config_path, item);
}
