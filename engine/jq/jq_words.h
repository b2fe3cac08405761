/*
 * Words of jq that reach out of a program (to files, to the environment, to more input) and are
 * refused before it is compiled: libjq crashes on some of them and shows secrets by others.
 */
#ifndef MR_ENGINE_JQ_WORDS_H
#define MR_ENGINE_JQ_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/str.h"

/* True when PROGRAM may be compiled. Else *RET_WORD is the word that isn't allowed, within PROGRAM;
 * empty when brackets stand too deeply in one another or the text holds a NUL. Members of those
 * names (.env, {input: 1}, $input) are fine. */
bool mr_jq_words_allowed(struct mr_str program, struct mr_str *ret_word) MR_MUST_CHECK;

#endif
