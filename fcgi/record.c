#include "fcgi/record.h"

#include <stdio.h>
#include <string.h>

#include <fastcgi.h>

#include "lib/error.h"

_Static_assert(sizeof(FCGI_Header) == MR_FCGI_HEADER, "a header is 8 bytes");
_Static_assert(sizeof(FCGI_EndRequestRecord) + sizeof(FCGI_Header) == MR_FCGI_END_LEN,
    "end of STDOUT and END_REQUEST");
_Static_assert(MR_FCGI_RECORD_MAX <= FCGI_MAX_LENGTH, "a record's length has 16 bits");

/* So many records may come for requests that are not open, before the peer is taken for broken:
 * a body that is still under way when its request was refused. */
#define STRAY_MAX 4096u

/* Where the content of the record being read goes. */
enum what { IGNORE, BEGIN, REFUSE_BEGIN, ASKED, UNKNOWN, PARAMS, STDIN, ABORT };

void mr_fcgi_reader_init(struct mr_fcgi_reader *r, unsigned max_conns)
{
	memset(r, 0, sizeof(*r));
	r->max_conns = max_conns;
}

void mr_fcgi_reader_close_request(struct mr_fcgi_reader *r)
{
	r->phase = MR_FCGI_PHASE_IDLE;
	if (r->in_record && r->what != ASKED && r->what != UNKNOWN && r->what != REFUSE_BEGIN)
		r->what = IGNORE;
}

static int invalid(struct mr_fcgi_reader *r, const char *fault)
{
	r->fault = fault;
	return MR_E_INVALID;
}

static size_t u16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static void put_header(unsigned char *out, unsigned type, uint16_t id, size_t len)
{
	out[0] = FCGI_VERSION_1;
	out[1] = (unsigned char)type;
	out[2] = (unsigned char)(id >> 8);
	out[3] = (unsigned char)id;
	out[4] = (unsigned char)(len >> 8);
	out[5] = (unsigned char)len;
	out[6] = 0;
	out[7] = 0;
}

static void put_end_request(unsigned char *out, uint16_t id, unsigned protocol_status)
{
	put_header(out, FCGI_END_REQUEST, id, sizeof(FCGI_EndRequestBody));
	memset(out + MR_FCGI_HEADER, 0, sizeof(FCGI_EndRequestBody));
	out[MR_FCGI_HEADER + offsetof(FCGI_EndRequestBody, protocolStatus)] =
	    (unsigned char)protocol_status;
}

void mr_fcgi_write_stdout(unsigned char out[MR_FCGI_HEADER], uint16_t id, size_t content_len)
{
	put_header(out, FCGI_STDOUT, id, content_len);
}

void mr_fcgi_write_end(unsigned char out[MR_FCGI_END_LEN], uint16_t id)
{
	put_header(out, FCGI_STDOUT, id, 0);
	put_end_request(out + MR_FCGI_HEADER, id, FCGI_REQUEST_COMPLETE);
}

/* ---- which record may come when ---- */

static int accept_begin(struct mr_fcgi_reader *r, uint16_t id, size_t len)
{
	if (len != sizeof(FCGI_BeginRequestBody))
		return invalid(r, "BEGIN_REQUEST of a wrong length");
	if (r->phase != MR_FCGI_PHASE_IDLE && id == r->id)
		return invalid(r, "BEGIN_REQUEST for the request that is open");
	r->what = r->phase == MR_FCGI_PHASE_IDLE ? BEGIN : REFUSE_BEGIN;
	return 0;
}

static int accept_management(struct mr_fcgi_reader *r, unsigned type, size_t len)
{
	if (type >= FCGI_BEGIN_REQUEST && type <= FCGI_DATA)
		return invalid(r, "a request's record with id 0");
	if (type == FCGI_GET_VALUES_RESULT || type == FCGI_UNKNOWN_TYPE)
		return invalid(r, "a record that only an application sends");
	if (type == FCGI_GET_VALUES && len > MR_FCGI_ASKED_MAX)
		return invalid(r, "GET_VALUES asks for too much");
	r->what = type == FCGI_GET_VALUES ? ASKED : UNKNOWN;
	return 0;
}

static int accept_stream(struct mr_fcgi_reader *r, unsigned type, size_t len)
{
	switch (type) {
	case FCGI_PARAMS:
		if (r->phase != MR_FCGI_PHASE_PARAMS)
			return invalid(r, "PARAMS after their end");
		r->what = PARAMS;
		return 0;
	case FCGI_STDIN:
		if (r->phase != MR_FCGI_PHASE_STDIN)
			return invalid(r, "STDIN before the end of PARAMS, or after its own");
		r->what = STDIN;
		return 0;
	case FCGI_ABORT_REQUEST:
		if (len != 0)
			return invalid(r, "ABORT_REQUEST with content");
		r->what = ABORT;
		return 0;
	default:
		return invalid(r, "a record that no responder is sent");
	}
}

/* The header is whole: may this record come now, and where does its content go? */
static int accept_record(struct mr_fcgi_reader *r)
{
	unsigned type = r->header[1];
	uint16_t id = (uint16_t)u16(r->header + 2);
	size_t len = u16(r->header + 4);

	if (r->header[0] != FCGI_VERSION_1)
		return invalid(r, "not FastCGI version 1");
	r->content_left = len;
	r->padding_left = r->header[6];
	r->content_len = 0;
	r->in_record = true;
	if (id == FCGI_NULL_REQUEST_ID)
		return accept_management(r, type, len);
	if (type == FCGI_BEGIN_REQUEST)
		return accept_begin(r, id, len);
	if (type == 0 || type > FCGI_MAXTYPE) {
		r->what = UNKNOWN;
		return 0;
	}
	if (r->phase != MR_FCGI_PHASE_IDLE && id == r->id)
		return accept_stream(r, type, len);
	if (type == FCGI_GET_VALUES || type > FCGI_DATA)
		return invalid(r, "a record that comes with id 0 or only from an application");
	r->what = IGNORE; /* of a request that was refused, or has been answered */
	if (++r->stray > STRAY_MAX)
		return invalid(r, "too many records for requests that are not open");
	return 0;
}

/* ---- what whole small records mean ---- */

static void answer(struct mr_fcgi_reader *r, size_t len, struct mr_fcgi_event *ret)
{
	ret->kind = MR_FCGI_ANSWER;
	ret->data = (struct mr_str){ (const char *)r->answer, len };
}

static void refuse(struct mr_fcgi_reader *r, unsigned why, struct mr_fcgi_event *ret)
{
	put_end_request(r->answer, (uint16_t)u16(r->header + 2), why);
	answer(r, sizeof(FCGI_EndRequestRecord), ret);
}

static void begin(struct mr_fcgi_reader *r, struct mr_fcgi_event *ret)
{
	if (u16(r->content) != FCGI_RESPONDER) {
		refuse(r, FCGI_UNKNOWN_ROLE, ret);
		return;
	}
	r->id = (uint16_t)u16(r->header + 2);
	r->keep_conn = (r->content[2] & FCGI_KEEP_CONN) != 0;
	r->phase = MR_FCGI_PHASE_PARAMS;
	r->stray = 0;
	ret->kind = MR_FCGI_BEGIN;
}

/* Appends one pair with short lengths; AT is where the answer's content ends so far. */
static size_t put_pair(unsigned char *out, size_t at, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	out[at++] = (unsigned char)name_len;
	out[at++] = (unsigned char)value_len;
	memcpy(out + at, name, name_len);
	memcpy(out + at + name_len, value, value_len);
	return at + name_len + value_len;
}

static int answer_values(struct mr_fcgi_reader *r, struct mr_fcgi_event *ret)
{
	static const char *const known[] = { FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS };
	struct mr_pair asked[16];
	size_t n, at = MR_FCGI_HEADER;
	char max[12];

	if (mr_fcgi_pairs((struct mr_str){ (const char *)r->content, r->content_len }, asked,
	        MR_ARRAY_LEN(asked), &n) < 0)
		return invalid(r, "GET_VALUES does not parse");
	(void)snprintf(max, sizeof(max), "%u", r->max_conns); /* fits */
	for (size_t k = 0; k < MR_ARRAY_LEN(known); k++) {
		for (size_t i = 0; i < n; i++) {
			if (!mr_str_eqz(asked[i].name, known[k]))
				continue;
			at = put_pair(r->answer, at, known[k], k == 2 ? "0" : max);
			break; /* asked twice is answered once */
		}
	}
	put_header(r->answer, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID, at - MR_FCGI_HEADER);
	answer(r, at, ret);
	return 0;
}

static void answer_unknown(struct mr_fcgi_reader *r, struct mr_fcgi_event *ret)
{
	put_header(
	    r->answer, FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID, sizeof(FCGI_UnknownTypeBody));
	memset(r->answer + MR_FCGI_HEADER, 0, sizeof(FCGI_UnknownTypeBody));
	r->answer[MR_FCGI_HEADER] = r->header[1];
	answer(r, sizeof(FCGI_UnknownTypeRecord), ret);
}

/* Content and padding have gone by. */
static int end_record(struct mr_fcgi_reader *r, struct mr_fcgi_event *ret)
{
	bool empty = u16(r->header + 4) == 0;

	r->in_record = false;
	r->header_len = 0;
	switch ((enum what)r->what) {
	case BEGIN:
		begin(r, ret);
		break;
	case REFUSE_BEGIN:
		refuse(r, FCGI_CANT_MPX_CONN, ret);
		break;
	case ASKED:
		return answer_values(r, ret);
	case UNKNOWN:
		answer_unknown(r, ret);
		break;
	case PARAMS:
		if (empty) {
			r->phase = MR_FCGI_PHASE_STDIN;
			ret->kind = MR_FCGI_PARAMS_END;
		}
		break;
	case STDIN:
		if (empty) {
			r->phase = MR_FCGI_PHASE_WHOLE;
			ret->kind = MR_FCGI_STDIN_END;
		}
		break;
	case ABORT:
		ret->kind = MR_FCGI_ABORT;
		break;
	case IGNORE:
		break;
	}
	return 0;
}

/* ---- bytes ---- */

static void drop(struct mr_str *in, size_t n)
{
	in->p += n;
	in->len -= n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int read_header(struct mr_fcgi_reader *r, struct mr_str *in)
{
	size_t n = least(MR_FCGI_HEADER - r->header_len, in->len);

	memcpy(r->header + r->header_len, in->p, n);
	r->header_len += (unsigned)n;
	drop(in, n);
	return r->header_len == MR_FCGI_HEADER ? accept_record(r) : 0;
}

static void read_content(struct mr_fcgi_reader *r, struct mr_str *in, struct mr_fcgi_event *ret)
{
	size_t n = least(r->content_left, in->len);

	switch ((enum what)r->what) {
	case BEGIN:
	case ASKED: /* their lengths were checked with the header */
		memcpy(r->content + r->content_len, in->p, n);
		r->content_len += n;
		break;
	case PARAMS:
	case STDIN:
		ret->kind = r->what == PARAMS ? MR_FCGI_PARAMS : MR_FCGI_STDIN;
		ret->data = (struct mr_str){ in->p, n };
		break;
	default:
		break;
	}
	r->content_left -= n;
	drop(in, n);
}

int mr_fcgi_read(struct mr_fcgi_reader *r, struct mr_str *in, struct mr_fcgi_event *ret)
{
	*ret = (struct mr_fcgi_event){ .kind = MR_FCGI_MORE };
	while (ret->kind == MR_FCGI_MORE) {
		int e = 0;

		if (r->in_record && r->content_left == 0 && r->padding_left == 0) {
			e = end_record(r, ret);
		} else if (in->len == 0) {
			break;
		} else if (!r->in_record) {
			e = read_header(r, in);
		} else if (r->content_left > 0) {
			read_content(r, in, ret);
		} else {
			size_t n = least(r->padding_left, in->len);

			r->padding_left -= n;
			drop(in, n);
		}
		if (e < 0)
			return e;
	}
	return 0;
}

/* ---- name-value pairs ---- */

static bool read_length(struct mr_str *in, size_t *ret)
{
	const unsigned char *p = (const unsigned char *)in->p;

	if (in->len >= 1 && p[0] < 0x80) {
		*ret = p[0];
		drop(in, 1);
		return true;
	}
	if (in->len < 4)
		return false;
	*ret = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	drop(in, 4);
	return true;
}

int mr_fcgi_pairs(struct mr_str bytes, struct mr_pair *pairs, size_t max, size_t *ret_len)
{
	size_t n = 0;

	while (bytes.len > 0) {
		size_t name_len, value_len;

		if (!read_length(&bytes, &name_len) || !read_length(&bytes, &value_len) ||
		    name_len > bytes.len || value_len > bytes.len - name_len)
			return MR_E_INVALID;
		if (n == max)
			return MR_E_LIMIT;
		pairs[n].name = (struct mr_str){ bytes.p, name_len };
		pairs[n].value = (struct mr_str){ bytes.p + name_len, value_len };
		drop(&bytes, name_len + value_len);
		n++;
	}
	*ret_len = n;
	return 0;
}
