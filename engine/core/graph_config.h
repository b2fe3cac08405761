/* What a config may hold: rows of members and their kinds, for graph_config.c and graph_check.c. */
#ifndef MR_ENGINE_CORE_GRAPH_CONFIG_H
#define MR_ENGINE_CORE_GRAPH_CONFIG_H

#include "engine/core/graph_private.h"

enum mr_config_kind {
	K_ANY,
	K_TEXT,
	K_FULL_TEXT, /* a text with something in it */
	K_URL,
	K_WORD,
	K_NUMBER,
	K_COUNT, /* a whole number */
	K_BOOL,
	K_DURATION,
	K_TIME,
	K_ID,
	K_TEXT_MAP, /* name → text, number or bool */
	K_PAIRS,    /* the same, or lists of them */
	K_TEXT_LIST,
	K_STATUS_LIST,
	K_AUTH,
	K_ITEMS, /* of a foreach: a list, an object, a range */
	/* those below are no members of the step's config: each is compiled for itself */
	K_CONDITION,
	K_TRANSFORMS,
	K_ELSEWHERE, /* by graph_holders.c and graph_flow.c */
};

struct mr_config_row {
	const char *name;
	enum mr_config_kind kind;
	bool required;
	double min, max; /* of numbers; max: bytes of a K_FULL_TEXT, 0 for any */
	const char *const *words;
	const char *const *later; /* words that a later version carries out */
	const char *because;      /* why it is required, when that isn't plain */
};

/* Every member of V must have a row and fit it; what is required must be there. */
void mr_graph_check_rows(struct mr_compile *c, const struct mr_config_row *rows, size_t len,
    const struct mr_value *v, struct mr_str path);
/* Whether a step of this type wants a text with something in it, an address or an id there. */
bool mr_graph_config_wants_text(int type, struct mr_str key);
/* Whether that member is an auth, and whether an auth's member wants a text with something in it.
 */
bool mr_graph_config_is_auth(int type, struct mr_str key);
bool mr_graph_auth_wants_text(struct mr_str key);
const struct mr_config_row *mr_graph_config_row(
    const struct mr_config_row *rows, size_t len, struct mr_str key);

/* Members that exclude or need each other, by type. */
typedef void mr_config_check_fn(
    struct mr_compile *c, const struct mr_value *config, struct mr_str path);
mr_config_check_fn mr_graph_check_http, mr_graph_check_delay, mr_graph_check_notification,
    mr_graph_check_agent, mr_graph_check_set, mr_graph_check_file;

#endif
