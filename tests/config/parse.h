/* tests/config/parse.h - a settings text in, its faults as lines out */
#ifndef TESTS_CONFIG_PARSE_H
#define TESTS_CONFIG_PARSE_H

#include "config/settings.h"

/* cmocka needs these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct parsed {
	struct settings *s;
	struct buf lines; /* every fault, each with its line end; NUL-terminated */
};

/* Named "t.cfg", on the host "host.example.com", relative paths from /etc/sg, without includes on disk. */
struct parsed parse_text(const char *text);
struct parsed parse_file(const char *path);
void parsed_free(struct parsed *p);

/* A whole file of the project, NUL-terminated; the caller frees it. */
char *read_text(const char *path);

/* The text has exactly these fault lines. */
void assert_faults(const char *text, const char *lines);
/* The text has this fault line among others. */
void assert_fault_in(const char *text, const char *line);
/* The text is accepted without any fault. */
void assert_clean(const char *text);

#endif
