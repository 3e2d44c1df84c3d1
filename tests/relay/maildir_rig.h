/* tests/relay/maildir_rig.h - a Maildir in a folder of its own, and mails for it */
#ifndef MAILDIR_RIG_H
#define MAILDIR_RIG_H

#include "tests/base/cmocka_setup.h"

#include "relay/maildir.h"

/* One mail, ready to be submitted; what it points to is constant. */
struct letter {
	struct relay_maildir_job job; /* first: what is collected leads back here */
	struct relay_mail mail;
	struct rope_block body;
};

struct maildir_rig {
	char top[64], path[96];
	struct relay_maildir *m;
	struct relay_maildir_owner owner;
};

/* What stands above the body of each letter. */
#define LETTER_HEAD                                                                                                    \
	"Return-Path: <me@example.org>\nDelivered-To: one@example.test\nDelivered-To: two@example.test\nReceived: "    \
	"x\n\ty\n"

/* For cmocka's setup and teardown; *state is the rig. */
int maildir_set_up(void **state);
int maildir_tear_down(void **state);
#define MAILDIR_TEST(name) cmocka_unit_test_setup_teardown(name, maildir_set_up, maildir_tear_down)
unsigned maildir_files(const struct maildir_rig *f, const char *folder);
/* The next finished job. */
struct relay_maildir_job *maildir_wait(struct relay_maildir_owner *o);

/* From me@example.org to two, with this body. */
void letter_write(struct maildir_rig *f, struct letter *l, struct slice mem);
/* Submits it and waits; its error. */
int letter_deliver(struct maildir_rig *f, struct letter *l);
/* The delivered file; to be freed. */
char *letter_read(const struct maildir_rig *f, const struct letter *l, size_t *n_r);
void letter_assert(const struct maildir_rig *f, const struct letter *l, const char *wanted);

#endif
