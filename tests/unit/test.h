/* What every unit test includes: cmocka with the headers it wants before it. */
#ifndef MR_TESTS_UNIT_TEST_H
#define MR_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"

/* Fails with both texts shown. */
#define assert_str(got, want)                                                                      \
	do {                                                                                       \
		struct mr_str got_ = (got);                                                        \
		const char *want_ = (want);                                                        \
		if (!mr_str_eqz(got_, want_))                                                      \
			fail_msg("got \"%.*s\", want \"%s\"", MR_STR_ARG(got_), want_);            \
	} while (0)

#endif
