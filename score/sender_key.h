/* score/sender_key.h - one sender behind the many addresses that mailing machinery makes of it
 *
 * For greylisting: the retry of a mail, and the next mail of the same list, must find what the first try left. What
 * changes from mail to mail is folded, what tells senders apart stays:
 *   case                  all ASCII letters become small
 *   BATV                  prvs=TAG=local, btv1==TAG==local: the tag goes (draft-levine-smtp-batv)
 *   SRS                   SRS0=HASH=TIME=domain=local: hash and time go; SRS1=HASH=host==HASH=TIME=...: likewise
 *   extension             local+anything: what is behind the '+' goes
 *   VERP and the like     each run of digits becomes '#'; so does each run of eight or more hexadecimal digits that
 *                         has a digit in it
 * Only the local part is folded; the domain names who answers for it.
 * Pure; any bytes of any length.
 */
#ifndef SCORE_SENDER_KEY_H
#define SCORE_SENDER_KEY_H

#include "base/slice.h"

enum { SCORE_SENDER_KEY = 320 }; /* longer senders count as their first bytes */

/* Returns the length. The null sender stays empty. */
size_t score_sender_fold(struct slice sender, char folded_r[SCORE_SENDER_KEY]);

#endif
