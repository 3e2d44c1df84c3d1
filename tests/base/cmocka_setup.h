/* What cmocka.h wants to have seen before it. */
#ifndef TESTS_BASE_CMOCKA_SETUP_H
#define TESTS_BASE_CMOCKA_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static inline void assert_slice(struct slice got, const char *wanted)
{
	assert_int_equal(got.n, strlen(wanted));
	assert_memory_equal(got.p, wanted, got.n);
}

#endif
