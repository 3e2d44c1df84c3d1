/* net/ended.h - has the peer ended its side, or gone? As the kernel knows it, before the loop has told its owner
 *
 * Thread: any. A socket may be another thread's and closed, even another one's by now: then what is said of it is void.
 */
#ifndef NET_ENDED_H
#define NET_ENDED_H

#include <stdbool.h>
#include <stddef.h>

enum { NET_ENDED_MAX = 64 };
/* Of any of these sockets, NET_ENDED_MAX at most? Does not wait. */
bool net_any_ended(const int fds[], size_t n);

#endif
