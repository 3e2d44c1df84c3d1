/* ctl/unix_addr.h - a path as a unix socket's address (unix(7)) */
#ifndef CTL_UNIX_ADDR_H
#define CTL_UNIX_ADDR_H

#include "base/slice.h"

#include <sys/socket.h>
#include <sys/un.h>

/* False when the path is empty or does not fit with its NUL. */
static inline bool ctl_unix_addr(const char *path, struct sockaddr_un *addr_r, socklen_t *len_r)
{
	size_t n = strlen(path);
	*addr_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n == 0 || n >= sizeof(addr_r->sun_path))
		return false;
	memcpy(addr_r->sun_path, path, n);
	*len_r = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return true;
}

#endif
