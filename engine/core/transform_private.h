/* Inside of data_transform: one compiled transformation, and the row of its type. */
#ifndef MR_ENGINE_CORE_TRANSFORM_PRIVATE_H
#define MR_ENGINE_CORE_TRANSFORM_PRIVATE_H

#include "engine/core/expr_private.h"
#include "engine/core/transform.h"

#define MR_TRANSFORM_COST  UINT64_C(20000000) /* all expressions of one transform together */
#define MR_TRANSFORM_STEPS 1000u
#define MR_TRANSFORM_JQ    (64u * 1024u) /* bytes of a jq program */

/* "data.items[0].id": members and items. */
struct mr_path_part {
	struct mr_str name; /* .p NULL: an index */
	size_t index;
};

struct mr_path {
	struct mr_str text; /* as written */
	size_t len;
	struct mr_path_part *parts;
};

/* NULL message in *RET_WHY when it is well-formed. 0 or MR_E_NOMEM. */
int mr_path_parse(struct mr_arena *a, struct mr_str text, struct mr_path *ret,
    const char **ret_why) MR_MUST_CHECK;

struct mr_transform_step;
struct mr_transform_run;

/* IN is what the transformation works on. */
typedef int mr_transform_fn(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret);

/* The members that a type may have besides type, path and key. */
enum {
	MR_TRANSFORM_DEFAULT = 1 << 0,
	MR_TRANSFORM_EXPRESSION = 1 << 1,
	MR_TRANSFORM_TEMPLATE = 1 << 2,
	MR_TRANSFORM_CONDITION = 1 << 3,
	MR_TRANSFORM_FIELDS = 1 << 4,  /* a list of names */
	MR_TRANSFORM_RENAMES = 1 << 5, /* "fields" as an object */
	MR_TRANSFORM_WITH = 1 << 6,
	MR_TRANSFORM_DEPTH = 1 << 7,
	MR_TRANSFORM_BY = 1 << 8,
	MR_TRANSFORM_ORDER = 1 << 9,
	MR_TRANSFORM_OP = 1 << 10,
	MR_TRANSFORM_PROGRAM = 1 << 11,
	MR_TRANSFORM_FILTER = 1 << 12, /* another name for program */
};

struct mr_transform_type {
	const char *name;
	unsigned members;  /* allowed */
	unsigned required; /* of them, at least one */
	bool path_required;
	mr_transform_fn *fn; /* NULL: jq, which isn't carried out here */
};

enum mr_aggregate { MR_AGG_SUM, MR_AGG_AVG, MR_AGG_MIN, MR_AGG_MAX, MR_AGG_COUNT };

struct mr_transform_step {
	const struct mr_transform_type *type;
	bool has_path;
	struct mr_path path;
	struct mr_str key;                  /* .p NULL: none */
	const struct mr_expr *expr;         /* expression, condition or by */
	const struct mr_template *template; /* template, with or default */
	const struct mr_list *fields;
	const struct mr_map *renames;
	int64_t depth;
	bool descending;
	enum mr_aggregate op;
	struct mr_str program; /* of jq */
};

struct mr_transform {
	size_t len;
	struct mr_transform_step steps[];
};

/* What one evaluation keeps. */
#define MR_TRANSFORM_CACHE 8u
struct mr_transform_run {
	struct mr_vm vm; /* for the operators that transforms share with expressions */
	const struct mr_expr_env *outer;
	struct mr_expr_env env; /* the outer one, item and index */
	struct mr_value item, index;
	size_t cached; /* names of the outer environment that were asked for already */
	struct {
		struct mr_str name;
		struct mr_value value;
	} cache[MR_TRANSFORM_CACHE];
	struct mr_expr_error *err;
	bool told; /* ERR is filled */
};

/* Evaluates over ITEM, named by INDEX. */
int mr_transform_expr(struct mr_transform_run *run, const struct mr_expr *e,
    const struct mr_value *item, struct mr_value index, struct mr_value *ret) MR_MUST_CHECK;
int mr_transform_template(struct mr_transform_run *run, const struct mr_template *t,
    const struct mr_value *item, struct mr_value index, struct mr_value *ret) MR_MUST_CHECK;
/* The value at PATH in V; a name that meets a list is taken of each item. MR_E_NOT_FOUND. With
 * DEFAULT_TEMPLATE each item that lacks it has that instead. */
int mr_path_get(struct mr_transform_run *run, const struct mr_path *path, const struct mr_value *v,
    const struct mr_template *default_template, struct mr_value *ret) MR_MUST_CHECK;

extern const struct mr_transform_type mr_transform_types[];
extern const size_t mr_transform_types_len;

#endif
