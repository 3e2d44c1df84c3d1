#define PCRE2_CODE_UNIT_WIDTH 8
#include "score/regex.h"

#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"

struct score_regex {
	pcre2_code *code;
};

/* What a thread needs to match anything. */
struct scratch {
	pcre2_general_context *general;
	pcre2_match_context *limits;
	pcre2_match_data *data;
};

static _Thread_local struct scratch *scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void *hook_alloc(size_t n, void *unused)
{
	(void)unused;
	return mem_alloc(n);
}

static void hook_free(void *p, void *unused)
{
	(void)unused;
	mem_free_(p);
}

static void scratch_free(void *p)
{
	struct scratch *s = p;
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->limits);
	pcre2_general_context_free(s->general);
	mem_free(&s);
	scratch = NULL;
}

/* The main thread's own is not freed: it ends with the process. */
static void scratch_key_make(void)
{
	(void)pthread_key_create(&scratch_key, scratch_free);
}

/* What one match has left, and what each of its steps costs. */
struct purse {
	uint32_t left, price;
};

/* PCRE2 calls this before each item of the pattern, at each place where it tries it. */
static int pay(pcre2_callout_block *unused, void *arg)
{
	struct purse *p = arg;
	(void)unused;
	if (p->left < p->price)
		return PCRE2_ERROR_CALLOUT;
	p->left -= p->price;
	return 0;
}

static struct scratch *scratch_get(void)
{
	if (scratch)
		return scratch;
	(void)pthread_once(&scratch_once, scratch_key_make);
	struct scratch *s = mem_zalloc(sizeof *s);
	if (!s)
		return NULL;
	s->general = pcre2_general_context_create(hook_alloc, hook_free, NULL);
	s->limits = s->general ? pcre2_match_context_create(s->general) : NULL;
	s->data = s->limits ? pcre2_match_data_create(1, s->general) : NULL;
	if (!s->data) {
		scratch_free(s);
		return NULL;
	}
	(void)pcre2_set_match_limit(s->limits, SCORE_REGEX_STEPS);
	(void)pcre2_set_depth_limit(s->limits, SCORE_REGEX_STEPS);
	(void)pcre2_set_heap_limit(s->limits, SCORE_REGEX_HEAP_KB);
	(void)pthread_setspecific(scratch_key, s);
	return scratch = s;
}

struct score_regex *score_regex_new(struct slice pattern, bool fold, size_t *at_r, char *text_r, size_t n)
{
	/* \C and switching to UTF would let a pattern read beyond what it was given or fail on plain bytes */
	uint32_t options =
		PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_AUTO_CALLOUT;
	int code = 0;
	size_t at = 0;
	*at_r = 0;
	if (pattern.n > SCORE_REGEX_LENGTH) {
		(void)snprintf(text_r, n, "a pattern has at most %d bytes", SCORE_REGEX_LENGTH);
		return NULL;
	}
	struct score_regex *r = mem_zalloc(sizeof *r);
	if (r)
		r->code = pcre2_compile(
			(PCRE2_SPTR)pattern.p, pattern.n, options | (fold ? PCRE2_CASELESS : 0), &code, &at, NULL);
	if (r && r->code) {
		(void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
		return r;
	}
	*at_r = at;
	if (!r || pcre2_get_error_message(code, (PCRE2_UCHAR *)text_r, n) < 0)
		(void)snprintf(text_r, n, "out of memory");
	mem_free(&r);
	return NULL;
}

void score_regex_free(struct score_regex **r)
{
	if (!*r)
		return;
	pcre2_code_free((*r)->code);
	mem_free(r);
}

static int match(const struct score_regex *r, struct scratch *s, struct slice subject, struct purse *p)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.p ? subject.p : "");
	if (pay(NULL, p) != 0) /* that it is looked at: not every text gets as far as an item */
		return PCRE2_ERROR_CALLOUT;
	(void)pcre2_set_callout(s->limits, pay, p);
	return pcre2_match(r->code, text, subject.n, 0, 0, s->data, s->limits);
}

enum score_match score_regex_match(const struct score_regex *r, struct slice subject, struct score_effort *e)
{
	struct scratch *s = scratch_get();
	uint32_t most = SCORE_REGEX_EFFORT - e->spent;
	most = most < SCORE_REGEX_STEPS ? most : SCORE_REGEX_STEPS;
	struct purse p = { most, (uint32_t)(1 + subject.n / SCORE_REGEX_STRIDE) };
	int got = s ? match(r, s, subject, &p) : PCRE2_ERROR_NOMEMORY;
	e->spent += most - p.left;
	if (got >= 0)
		return SCORE_MATCH_YES;
	if (got == PCRE2_ERROR_NOMATCH)
		return SCORE_MATCH_NO;
	e->gave_up++;
	return SCORE_MATCH_GAVE_UP;
}
