/* ctl/peer.c - see ctl/peer.h */
#include "ctl/peer.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* The kernel answers a length that is too small with ERANGE and the right one. */
static bool read_groups(int fd, struct ctl_peer *p)
{
	socklen_t size = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
		return true;
	if (errno != ERANGE)
		return false;
	p->groups = mem_alloc(size);
	if (!p->groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &size) < 0)
		return false;
	p->n_groups = size / sizeof(gid_t);
	return true;
}

bool ctl_peer_read(int fd, struct ctl_peer *peer_r)
{
	*peer_r = (struct ctl_peer){ 0 };
	struct ucred cred;
	socklen_t size = sizeof(cred);
	TRY(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0);
	peer_r->pid = cred.pid;
	peer_r->uid = cred.uid;
	peer_r->gid = cred.gid;
	if (read_groups(fd, peer_r))
		return true;
	ctl_peer_release(peer_r);
	return false;
}

void ctl_peer_release(struct ctl_peer *peer)
{
	mem_free(&peer->groups);
	*peer = (struct ctl_peer){ 0 };
}

bool ctl_peer_may(const struct ctl_peer *peer, uid_t uid, gid_t gid)
{
	if (peer->uid == 0 || peer->uid == uid || peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}
