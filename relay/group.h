/* relay/group.h - one worker's part of a group of backends
 *
 * Each group has queues of its own, so one whose backends are slow or down delays no mail of another. A mail goes to
 * the group that has the domain of its first recipient, or else to the first group, "main".
 * A group that a reload took away keeps its last settings until its jobs are answered.
 */
#ifndef RELAY_GROUP_H
#define RELAY_GROUP_H

#include "relay/queue.h"
#include "relay/settings.h"

struct relay_group {
	struct relay_group *next; /* relay->groups; the first is main */
	struct relay_settings *settings;
	bool gone; /* not in the settings any more */
	struct relay_queue deliveries, probe_queue;
	unsigned probes; /* of this worker, under way */
};

/* Takes the settings of now into the groups. False: no memory for a new one; its mail waits for no group, it is
 * answered 451. */
bool relay_groups_take_on(struct relay *r) MUST_USE;
void relay_groups_release(struct relay *r);
/* Where mail for this recipient (address without brackets) goes. */
struct relay_group *relay_group_of(const struct relay *r, struct slice rcpt);
struct relay_queue *relay_group_queue(struct relay_job *job);
unsigned relay_group_waiting(const struct relay_group *g);

#endif
