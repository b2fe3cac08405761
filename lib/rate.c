#include "lib/rate.h"

#include <stddef.h>

#include "lib/value.h"

static const struct {
	const char *name, *setting;
	size_t offset;
} classes[MR_RATE_COUNT] = {
	[MR_RATE_EXEMPT] = { "exempt", NULL, 0 },
#define MR_RATE_CLASS(id, word)                                                                    \
	[MR_RATE_##                                                                                \
	    id] = { #word, "rate_limit_" #word, offsetof(struct mr_settings, rate_limit_##word) },
#include "lib/rate_classes.def"
#undef MR_RATE_CLASS
};

const char *mr_rate_class_name(enum mr_rate_class c)
{
	return classes[c].name;
}

enum mr_rate_class mr_rate_class_by_name(struct mr_str name)
{
	for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++) {
		if (mr_str_eqz(name, classes[c].name))
			return (enum mr_rate_class)c;
	}
	return MR_RATE_EXEMPT;
}

static int64_t seconds_of(struct mr_str unit)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };

	for (size_t i = 0; i < MR_ARRAY_LEN(units); i++) {
		if (mr_str_eqz(unit, units[i].name))
			return units[i].seconds;
	}
	return 0;
}

int mr_rate_parse(struct mr_str text, struct mr_rate *ret)
{
	struct mr_str unit = mr_str_trim(text), number;
	int64_t limit, seconds;

	if (mr_str_eqz(unit, "none")) {
		*ret = (struct mr_rate){ MR_RATE_UNLIMITED, 60 };
		return 0;
	}
	number = mr_str_trim(mr_str_cut(&unit, '/'));
	if (unit.p == NULL || !mr_str_i64(number, &limit) || limit < 1 || limit > MR_RATE_UNLIMITED)
		return MR_E_INVALID;
	seconds = seconds_of(mr_str_trim(unit));
	if (seconds == 0)
		return MR_E_INVALID;
	*ret = (struct mr_rate){ limit, seconds };
	return 0;
}

static struct mr_rate of_value(const struct mr_value *v)
{
	const struct mr_value *limit, *window;
	struct mr_rate none = { 0, 0 }, rate = { MR_RATE_UNLIMITED, 60 };

	if (v->kind == MR_VALUE_NULL)
		return rate;
	limit = mr_value_get_kind(v, "limit", MR_VALUE_INT);
	window = mr_value_get_kind(v, "window", MR_VALUE_INT);
	if (limit == NULL || limit->i < 1 || limit->i > MR_RATE_UNLIMITED)
		return none;
	rate.limit = limit->i;
	if (window != NULL)
		rate.window_s = window->i;
	return rate.window_s >= 1 && rate.window_s <= MR_RATE_WINDOW_MAX ? rate : none;
}

void mr_rates_from_json(
    struct mr_arena *scratch, struct mr_str json, struct mr_rate ret[MR_RATE_COUNT])
{
	struct mr_value all;

	if (json.p == NULL ||
	    mr_json_parse(scratch, json, &mr_json_limits_default, NULL, &all) < 0 ||
	    all.kind != MR_VALUE_MAP)
		return;
	for (size_t i = 0; i < all.map->len; i++) {
		enum mr_rate_class c = mr_rate_class_by_name(all.map->members[i].key.s);

		if (c != MR_RATE_EXEMPT)
			ret[c] = of_value(&all.map->members[i].value);
	}
}

static struct mr_str text_of(const struct mr_settings *s, unsigned c)
{
	return mr_str(*(const char *const *)(const void *)((const char *)s + classes[c].offset));
}

void mr_rates_read(const struct mr_settings *s, struct mr_rate ret[MR_RATE_COUNT])
{
	ret[MR_RATE_EXEMPT] = (struct mr_rate){ MR_RATE_UNLIMITED, 60 };
	for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++) {
		if (mr_rate_parse(text_of(s, c), &ret[c]) < 0) /* then loading them has failed */
			ret[c] = (struct mr_rate){ 1, 60 };
	}
}

void mr_rates_check(const struct mr_settings *s, struct mr_faults *faults)
{
	struct mr_rate ignored;

	for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++) {
		if (mr_rate_parse(text_of(s, c), &ignored) < 0)
			mr_fault_add(faults, mr_str(classes[c].setting), "format",
			    "%s must be a number from 1 to 1000000000 and a time, as in 100/min "
			    "(s, "
			    "min, h or d), or none",
			    classes[c].setting);
	}
}
