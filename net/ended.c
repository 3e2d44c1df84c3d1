#include "net/ended.h"

#include <poll.h>

bool net_any_ended(const int fds[], size_t n)
{
	struct pollfd looked[NET_ENDED_MAX];
	bool ended = false;
	for (size_t i = 0; i < n; i++)
		looked[i] = (struct pollfd){ .fd = fds[i], .events = POLLRDHUP };
	if (n == 0 || poll(looked, n, 0) <= 0)
		return false;
	for (size_t i = 0; i < n; i++)
		ended |= (looked[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
	return ended;
}
