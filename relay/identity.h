/* relay/identity.h - for whom a connection speaks
 *
 * The attributes themselves are written by smtp/client_identity.h.
 */
#ifndef RELAY_IDENTITY_H
#define RELAY_IDENTITY_H

#include "relay/link.h"
#include "smtp/client_identity.h"

/* Everything XCLIENT says of the job's client, as a keyed hash (never 0) and its port: connections are matched by it.
 */
struct relay_whom relay_identity_of(const struct relay_shared *s, const struct relay_job *job);
/* The same for what a PROXY header and the EHLO behind it say. */
struct relay_whom relay_proxy_whom(const struct relay_shared *s, const struct relay_job *job);
struct smtp_identity relay_identity_smtp(const struct relay_job *job);
/* What EHLO says after XCLIENT: the client's own HELO name where it is fit for that, else ours. (Postfix forgets
 * XCLIENT's HELO when it hears the EHLO that must follow.) */
struct slice relay_identity_helo(const struct relay_client *c, struct slice ours);

#endif
