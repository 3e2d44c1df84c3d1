#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef SG_MIMALLOC
#include <mimalloc.h>
#define raw_malloc mi_malloc
#define raw_zalloc mi_zalloc
#define raw_realloc mi_realloc
#define raw_free mi_free
#else
/* The sanitizers want the system's allocator: they watch its blocks. */
#include <stdlib.h>
#define raw_malloc malloc
#define raw_zalloc(n) calloc(1, n)
#define raw_realloc realloc
#define raw_free free
#endif

static _Thread_local long fail_in = -1;
static _Thread_local long made;

static int must_fail(void)
{
	made++;
	return fail_in >= 0 && fail_in-- == 0;
}

long mem_fail_after(long after)
{
	long n = made;
	made = 0;
	fail_in = after;
	return n;
}

void *mem_alloc(size_t n)
{
	return must_fail() ? NULL : raw_malloc(n ? n : 1);
}

void *mem_zalloc(size_t n)
{
	return must_fail() ? NULL : raw_zalloc(n ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
	return must_fail() ? NULL : raw_realloc(p, n ? n : 1);
}

void *mem_pages(size_t n)
{
	if (must_fail())
		return NULL;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (n >= MEM_LARGE)
		(void)madvise(p, n, MADV_HUGEPAGE); /* a wish: without it the table is only slower */
	return p;
}

void mem_pages_free_(void *p, size_t n)
{
	if (p)
		munmap(p, n);
}

/* The kernel aligns as it likes: of twice as much, the aligned part is kept. */
void *mem_huge(void)
{
	if (must_fail())
		return NULL;
	char *p = mmap(NULL, 2 * MEM_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)p % MEM_HUGE;
	if (before)
		munmap(p, before);
	munmap(p + before + MEM_HUGE, MEM_HUGE - before);
	mem_huge_wish(p + before, true);
	return p + before;
}

void mem_huge_wish(void *p, bool huge)
{
	(void)madvise(p, MEM_HUGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE); /* a kernel without has small ones */
}

void mem_forget(void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), before = -(uintptr_t)p % page;
	if (n >= before + page)
		(void)madvise((char *)p + before, (n - before) / page * page, MADV_DONTNEED);
}

void mem_free_(void *p)
{
	raw_free(p);
}

char *mem_strndup(const char *s, size_t n)
{
	char *d = mem_alloc(n + 1);
	if (d) {
		if (n)
			memcpy(d, s, n);
		d[n] = 0;
	}
	return d;
}

void *mem_hook_malloc(size_t n)
{
	return mem_alloc(n);
}

void *mem_hook_realloc(void *p, size_t n)
{
	return mem_realloc(p, n);
}

void mem_hook_free(void *p)
{
	mem_free_(p);
}
