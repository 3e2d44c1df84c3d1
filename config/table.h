/* config/table.h - every setting as one row
 *
 * Reading, range checks, defaults, settings_dump(), the restart list and docs/SETTINGS.md all come
 * from these rows, so that they cannot disagree. A new setting is a member in settings.h and a row
 * in table.c.
 */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include "config/settings.h"

/* The form of one value: see kinds.c for how each is read and written. */
enum kind {
	KIND_BOOL,
	KIND_COUNT,    /* uint32_t */
	KIND_REAL,     /* double */
	KIND_DURATION, /* uint64_t, ms */
	KIND_SIZE,     /* uint64_t, bytes */
	KIND_WORD,     /* an enum: one of row.words */
	KIND_TEXT,     /* const char *: at most row.max bytes */
	KIND_NAME,     /* const char *: name_valid() */
	KIND_HOST,     /* const char *: a domain name, or "" where the row has that default */
	KIND_DOMAIN,   /* const char *: a domain name, made lower case */
	KIND_MAIL,     /* const char *: a mail address, or "" */
	KIND_DATE,     /* const char *: a date, or "" */
	KIND_PATH,     /* const char *: made absolute */
	KIND_LOG_TO,   /* const char *: stderr, syslog or a path */
	KIND_PREFIX,   /* struct ip_prefix */
	KIND_ADDRESS,  /* struct settings_address, port required */
	KIND_RESOLVER, /* struct settings_address, port 53 unless given */
	KIND_BACKEND,  /* struct settings_backend */
	KIND_STEP,     /* struct settings_recipients_step */
	KIND_ANSWER,   /* struct settings_answer */
};

enum shape {
	SHAPE_ONE,   /* one value */
	SHAPE_MANY,  /* [ value, ... ], or a single value; { items, count } in the struct */
	SHAPE_GROUP, /* { rows } */
	SHAPE_LIST,  /* ( { rows }, ... ); { items, count } in the struct */
	SHAPE_MAP,   /* { NAME = "PATH"; ... }; struct settings_lists in the struct */
};

enum {
	ROW_RESTART = 1,   /* a change waits for a restart */
	ROW_NO_EFFECT = 2, /* read and checked, but nothing uses it yet: a note when it is given */
	ROW_NOT_BUILT = 4, /* refused when it is not the default: to ignore it would be unsafe */
	ROW_REQUIRED = 8,  /* must be given; has no default */
	ROW_NOT_EMPTY = 16,
	ROW_SPARSE = 32,     /* written by settings_dump() only when it is not the default */
	ROW_ONE_DEFAULT = 64 /* of SHAPE_LIST: without the key, one element made of defaults */
};

struct word {
	const char *text;
	unsigned value;
	bool not_built;
};

struct row {
	const char *name;
	enum shape shape;
	enum kind kind;
	unsigned flags;
	uint32_t offset;
	double min, max;       /* of numbers, durations and sizes; KIND_TEXT: max is its length */
	const char *preset;    /* the default as settings_dump() writes it, without quotes or brackets */
	const struct word *words; /* KIND_WORD; ends with text NULL; the word "" cannot be written */
	const struct row *rows;   /* SHAPE_GROUP, SHAPE_LIST; ends with name NULL */
	uint32_t size;            /* SHAPE_LIST: of an element; ends with name NULL */
	const char *help;
};

/* The rows of a whole settings file; offsets are into struct settings. */
extern const struct row settings_table[];

/* { items, count } as every list in settings.h has it. */
struct many {
	void *items;
	size_t count;
};

#endif
