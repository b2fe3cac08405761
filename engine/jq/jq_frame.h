/*
 * What engine and millrace-jq say to each other over two pipes. Numbers are of the machine: both
 * ends are. The helper first sends an answer of MR_JQ_HELLO, without text; then each request gets
 * one answer, in order. It ends when its input does.
 */
#ifndef MR_ENGINE_JQ_FRAME_H
#define MR_ENGINE_JQ_FRAME_H

#include <stdint.h>

#define MR_JQ_PROGRAM_MAX (64u * 1024u)
#define MR_JQ_INPUT_MAX   (16u * 1024u * 1024u)

/* Followed by the program and the input, a JSON text. */
struct mr_jq_ask {
	uint32_t program_len, input_len;
	uint32_t max_output; /* bytes of the outputs */
};

enum mr_jq_word {
	MR_JQ_HELLO,
	MR_JQ_OUTPUTS, /* a JSON array of all outputs */
	MR_JQ_FAILED,  /* a message: the program is wrong, or fails with this input */
	MR_JQ_OUT_OF_MEMORY,
	MR_JQ_TOO_LARGE, /* the outputs */
};

/* Where the program was had from. */
enum mr_jq_source {
	MR_JQ_NO_PROGRAM, /* it is wrong, or none was looked at */
	MR_JQ_COMPILED,
	MR_JQ_KEPT, /* from a request before */
};

/* Followed by the text. */
struct mr_jq_answer {
	uint16_t word;
	uint8_t last; /* not 0: the helper ends after this */
	uint8_t source;
	uint32_t len;
};

#endif
