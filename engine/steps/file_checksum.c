/* Action checksum: sums of the file's bytes, and whether they are the expected ones. */
#include <string.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"

static int add_kind(struct mr_file_job *j, struct mr_str name)
{
	enum mr_sum s;

	if (!mr_sum_by_name(mr_str_trim(name), &s))
		return mr_report_invalid(j->x,
		    "config.algorithm: \"%.*s\" is none of sha256, sha512, md5, crc32.",
		    MR_STR_ARG(mr_text_cut(name, 40)));
	if ((j->wanted_sums & 1u << s) == 0)
		j->sum_kinds[j->sum_kinds_len++] = s;
	j->wanted_sums |= 1u << s;
	return 0;
}

/* EXPECTED is a sum of the first algorithm. */
static int check_expected(struct mr_file_job *j)
{
	static const size_t lengths[] = {
		[MR_SUM_SHA256] = 64, [MR_SUM_SHA512] = 128, [MR_SUM_MD5] = 32, [MR_SUM_CRC32] = 8
	};
	enum mr_sum s = j->sum_kinds[0];

	_Static_assert(MR_ARRAY_LEN(lengths) == MR_SUM_COUNT, "a length for each kind of sum");
	if (j->expected.p == NULL)
		return 0;
	j->expected = mr_str_trim(j->expected);
	for (size_t i = 0; i < j->expected.len; i++) {
		if (memchr("0123456789abcdefABCDEF", j->expected.p[i], 22) == NULL)
			return mr_report_invalid(j->x, "config.expected must be hexadecimal.");
	}
	if (j->expected.len != lengths[s])
		return mr_report_invalid(j->x,
		    "config.expected has %zu digits; a sum by %s has %zu.", j->expected.len,
		    mr_sum_name(s), lengths[s]);
	return 0;
}

static int configure(struct mr_file_job *j)
{
	const struct mr_str *list = NULL;
	size_t len = 0;
	int r = mr_config_texts(j->x, "algorithm", &list, &len);

	j->fail_on_invalid = true;
	for (size_t i = 0; i < len && r == 0; i++)
		r = add_kind(j, list[i]);
	if (r == 0 && len == 0)
		r = add_kind(j, MR_STR("sha256"));
	if (r == 0)
		r = mr_config_text(j->x, "expected", &j->expected);
	if (r == 0)
		r = check_expected(j);
	if (r == 0)
		r = mr_config_bool(j->x, "fail_on_invalid", &j->fail_on_invalid);
	return r;
}

static struct mr_value sum_value(const struct mr_file_job *j, enum mr_sum s)
{
	return mr_value_str(mr_arena_str(j->x->arena, mr_str(j->sums.hex[s])));
}

static int make_result(const struct mr_file_job *j, bool is_valid, struct mr_value *ret)
{
	struct mr_report_member sums[MR_SUM_COUNT];
	struct mr_arena *a = j->x->arena;
	enum mr_sum first = j->sum_kinds[0];
	struct mr_value all, one = sum_value(j, first);

	for (size_t i = 0; i < j->sum_kinds_len; i++)
		sums[i] = (struct mr_report_member){ mr_sum_name(j->sum_kinds[i]),
			sum_value(j, j->sum_kinds[i]) };
	if (one.s.p == NULL || mr_report_map(a, sums, j->sum_kinds_len, &all) < 0)
		return MR_E_NOMEM;
	return mr_report_map(a,
	    (const struct mr_report_member[]){ { "checksum", one },
	        { "algorithm", mr_value_strz(mr_sum_name(first)) }, { "checksums", all },
	        { "valid", mr_value_bool(is_valid) }, { "size", mr_value_int(j->size) },
	        { "file_id", mr_value_int(j->file_id) },
	        { "file_name", mr_value_str(mr_arena_str(a, j->name)) } },
	    7, ret);
}

static void begin(struct mr_file_job *j)
{
	const char *sum = j->sums.hex[j->sum_kinds[0]];
	bool is_valid = j->expected.p == NULL || mr_str_ieqz(j->expected, sum);
	struct mr_value result;

	if (make_result(j, is_valid, &result) < 0) {
		(void)mr_report_too_large(j->x);
	} else if (!is_valid && j->fail_on_invalid) {
		(void)mr_report_invalid(j->x, "The file's %s sum is %s, not the expected %.*s.",
		    mr_sum_name(j->sum_kinds[0]), sum, MR_STR_ARG(j->expected));
		j->x->error_data = result;
	} else {
		mr_report_success(j->x, result);
	}
	mr_file_finish(j);
}

const struct mr_file_action mr_file_checksum = { "checksum", configure, begin };
