/*
 * FastCGI 1.0 records, read and written: pure functions over bytes, without I/O. The reader is a
 * state machine that takes bytes in pieces of any size and knows what may come when; it keeps no
 * content of requests, so its size is fixed. One request at a time on a connection.
 */
#ifndef MR_FCGI_RECORD_H
#define MR_FCGI_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/request.h"
#include "lib/str.h"

enum mr_fcgi_event_kind {
	MR_FCGI_MORE,       /* all bytes are used; more are needed */
	MR_FCGI_BEGIN,      /* a request is open now */
	MR_FCGI_PARAMS,     /* data: a piece of its parameters */
	MR_FCGI_PARAMS_END, /* they are whole */
	MR_FCGI_STDIN,      /* data: a piece of its body */
	MR_FCGI_STDIN_END,  /* the request is whole */
	MR_FCGI_ABORT,      /* the open request is given up by the peer */
	MR_FCGI_ANSWER,     /* data: whole records to send, not of the open request */
};

/* DATA points into the input, or into the reader for MR_FCGI_ANSWER; valid until the next call. */
struct mr_fcgi_event {
	enum mr_fcgi_event_kind kind;
	struct mr_str data;
};

enum mr_fcgi_phase {
	MR_FCGI_PHASE_IDLE,
	MR_FCGI_PHASE_PARAMS,
	MR_FCGI_PHASE_STDIN,
	MR_FCGI_PHASE_WHOLE, /* all of the request was read; its answer is being made */
};

#define MR_FCGI_ASKED_MAX 512 /* bytes of one GET_VALUES */

struct mr_fcgi_reader {
	enum mr_fcgi_phase phase;
	uint16_t id;        /* of the open request */
	bool keep_conn;     /* what it asked for */
	const char *fault;  /* after MR_E_INVALID: what was wrong, for the log */
	unsigned max_conns; /* what GET_VALUES is told */
	/* the record being read */
	unsigned char header[8];
	unsigned header_len;
	bool in_record; /* the header was read and accepted; content and padding follow */
	unsigned what;  /* enum in record.c: where its content goes */
	size_t content_left, padding_left;
	unsigned char content[MR_FCGI_ASKED_MAX]; /* of BEGIN_REQUEST and GET_VALUES */
	size_t content_len;
	unsigned stray; /* records for no open request since the last one that began */
	unsigned char answer[128];
};

void mr_fcgi_reader_init(struct mr_fcgi_reader *r, unsigned max_conns);
/* Takes bytes from the front of IN, up to the next event. 0 with the event, or MR_E_INVALID: the
 * peer does not speak FastCGI 1.0 and the connection must be closed. */
int mr_fcgi_read(
    struct mr_fcgi_reader *r, struct mr_str *in, struct mr_fcgi_event *ret) MR_MUST_CHECK;
/* The open request was answered, or is refused: what still comes for it is ignored. */
void mr_fcgi_reader_close_request(struct mr_fcgi_reader *r);

/* Takes name-value pairs apart; they point into BYTES. MR_E_INVALID, or MR_E_LIMIT beyond MAX. */
int mr_fcgi_pairs(
    struct mr_str bytes, struct mr_pair *pairs, size_t max, size_t *ret_len) MR_MUST_CHECK;

#define MR_FCGI_RECORD_MAX 65528u /* most content of one record that we write: a multiple of 8 */
#define MR_FCGI_HEADER     8u
#define MR_FCGI_END_LEN    24u

/* Header of an STDOUT record. */
void mr_fcgi_write_stdout(unsigned char out[MR_FCGI_HEADER], uint16_t id, size_t content_len);
/* The end of the STDOUT stream, and END_REQUEST with REQUEST_COMPLETE. */
void mr_fcgi_write_end(unsigned char out[MR_FCGI_END_LEN], uint16_t id);

#endif
