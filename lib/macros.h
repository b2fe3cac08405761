/* Compiler attributes and small constants that every module may use. */
#ifndef MR_LIB_MACROS_H
#define MR_LIB_MACROS_H

#include <stddef.h>

#define MR_MUST_CHECK         __attribute__((warn_unused_result))
#define MR_PRINTF(f, a)       __attribute__((format(printf, f, a)))
#define MR_NORETURN           __attribute__((noreturn))
#define MR_ARRAY_LEN(a)       (sizeof(a) / sizeof((a)[0]))
#define MR_CONTAINER(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))

#endif
