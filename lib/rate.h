/*
 * Rate limits as they are written down: their classes, and "100/min" read into numbers. What counts
 * against them is lib/window.h.
 */
#ifndef MR_LIB_RATE_H
#define MR_LIB_RATE_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/settings.h"
#include "lib/str.h"

enum mr_rate_class {
	MR_RATE_EXEMPT,
#define MR_RATE_CLASS(id, name) MR_RATE_##id,
#include "lib/rate_classes.def"
#undef MR_RATE_CLASS
	MR_RATE_COUNT
};

#define MR_RATE_UNLIMITED  INT64_C(1000000000) /* so many are counted, but never reached */
#define MR_RATE_WINDOW_MAX INT64_C(86400)

/* So many requests in any window of so many seconds; limit 0: nothing is said. */
struct mr_rate {
	int64_t limit, window_s;
};

/* "exempt" for what isn't limited. */
const char *mr_rate_class_name(enum mr_rate_class c);
/* MR_RATE_EXEMPT for a word that is no class. */
enum mr_rate_class mr_rate_class_by_name(struct mr_str name);

/* "100/min", "10/h", "5/s", "1000/d", or "none". MR_E_INVALID for anything else. */
int mr_rate_parse(struct mr_str text, struct mr_rate *ret) MR_MUST_CHECK;
/* A key's own, {"class": {"limit": 10, "window": 60} or null for none}: what it names replaces what
 * stands in RET. Words and numbers that mean nothing here are passed over. */
void mr_rates_from_json(
    struct mr_arena *scratch, struct mr_str json, struct mr_rate ret[MR_RATE_COUNT]);
/* What the settings say of each class. */
void mr_rates_read(const struct mr_settings *s, struct mr_rate ret[MR_RATE_COUNT]);
/* Adds a fault for each that can't be read. */
void mr_rates_check(const struct mr_settings *s, struct mr_faults *faults);

#endif
