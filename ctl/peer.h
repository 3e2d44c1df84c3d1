/* ctl/peer.h - who is at the other end of the control socket
 *
 * The kernel's word (SO_PEERCRED, SO_PEERGROUPS; unix(7), socket(7)), as it was when the peer
 * connected. The socket's mode says the same; this holds even where a mode or a folder was opened up.
 */
#ifndef CTL_PEER_H
#define CTL_PEER_H

#include "base/result.h"
#include "base/slice.h"

#include <sys/types.h>

struct ctl_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary; owned */
	size_t n_groups;
};

/* False when the kernel does not say, or memory is out; nothing is owned then. */
bool ctl_peer_read(int fd, struct ctl_peer *peer_r) MUST_USE;
void ctl_peer_release(struct ctl_peer *peer);
/* root, user `uid`, and members of group `gid`. */
bool ctl_peer_may(const struct ctl_peer *peer, uid_t uid, gid_t gid);

#endif
