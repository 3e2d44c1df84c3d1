/* base/mem.h - the one door to the allocator
 *
 * All rooms allocate through here, so that the allocator is named once (mimalloc, when built with
 * it) and a test can make the nth allocation fail. Every function can return NULL; the caller ends
 * what it was doing (a session with 421), never the server.
 * Threads: every function may be called from any thread; a block may be freed by another one.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t n) __attribute__((malloc, warn_unused_result));
void *mem_zalloc(size_t n) __attribute__((malloc, warn_unused_result));
void *mem_realloc(void *p, size_t n) __attribute__((warn_unused_result));
/* Frees *p and sets it to NULL. `p` is the address of a pointer of any object type; *p may be NULL. */
#define mem_free(p) mem_free_((void *)*(p)), *(p) = NULL
void mem_free_(void *p);
/* A copy of n bytes with a NUL behind. */
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result));

/* From this size on a table gets huge pages where the kernel has them: single entries of it are then found a fifth
 * faster, and it fills in steps of 2 MB instead of 4 KB. */
enum { MEM_LARGE = 256 * 1024 * 1024 };
/* Zeroed pages for a large table, from the kernel: what is never touched costs no memory. NULL: none left. Give
 * back with the same size; *p becomes NULL. */
void *mem_pages(size_t n) __attribute__((malloc, warn_unused_result));
#define mem_pages_free(p, n) mem_pages_free_((void *)*(p), n), *(p) = NULL
void mem_pages_free_(void *p, size_t n);

/* One huge page where the kernel has them for us, else as many bytes of small ones; aligned to its size. */
enum { MEM_HUGE = 2 * 1024 * 1024 };
void *mem_huge(void) __attribute__((malloc, warn_unused_result));
#define mem_huge_free(p) mem_pages_free(p, MEM_HUGE)
/* False: it shall be small pages from now on, of which mem_forget() gives back some for good: where one page is left of
 * a huge one, the kernel makes it whole again some time later. */
void mem_huge_wish(void *p, bool huge);
/* Of mem_pages() or mem_huge(): what is in these n bytes is not needed any more. The whole pages among them cost no
 * memory until they are touched again; what they hold then is undefined. */
void mem_forget(void *p, size_t n);

/* Allocations of this thread from now on: `after` succeed, the next one fails, later ones succeed
 * again. Negative: none fails (the start value). For tests; returns how many have been made since
 * the last call. */
long mem_fail_after(long after);

/* For third-party libraries that take their allocator as plain functions. */
void *mem_hook_malloc(size_t n);
void *mem_hook_realloc(void *p, size_t n);
void mem_hook_free(void *p);

#endif
