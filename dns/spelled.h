/* dns/spelled.h - is an address spelled in a text? (for dns/dynamic.c) */
#ifndef DNS_SPELLED_H
#define DNS_SPELLED_H

#include "dns/dynamic.h"
#include "dns/name.h"

/* `text`: small letters, at most DNS_NAME_MAX bytes. Returns DNS_SIGN_ADDRESS, DNS_SIGN_PARTLY or DNS_SIGN_NONE;
 * *found_r is where, as far as it can be told in one stretch of `text`, else all of it. */
enum dns_dynamic_sign dns_spelled(struct slice text, const struct ip *ip, struct slice *found_r);

#endif
