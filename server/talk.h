/* server/talk.h - the steps of a session, among the files that make it up
 *
 * For server/arrive.c, again.c, policy.c, session.c, ending.c, talk.c, facts.c, judge.c, act.c, transfer.c, deadline.c,
 * receipt.c, retell.c and journal.c; worker.c takes journal_orphan().
 */
#ifndef SERVER_TALK_H
#define SERVER_TALK_H

#include "server/session.h"

struct dns_result;
struct lookup_told;

/* arrive.c */
/* The PROXY header that is awaited, or a part of it, has come. */
void arrive_read_proxy(struct session *s);
/* It will not come, or is none: the connection ends without a word, counted. */
void arrive_turn_away(struct session *s, struct slice why);
/* The handshake of a listener with implicit TLS is done: the client is greeted. */
void arrive_forget_via(struct session *s);
/* For again.c and policy.c: what a session begins with. */
struct smtp_server_config arrive_config(const struct session *s) MUST_USE;
/* The client is counted in; none: it is, else why not. */
struct slice arrive_enter(struct worker *w, const struct ip *client, const struct generation *g, bool allowed) MUST_USE;
/* What is known of the client is looked up, and it is counted as a session. */
void arrive_get_to_know(struct session *s, bool allowed);
/* It is judged and greeted. */
void arrive_welcome(struct session *s);
/* NULL: no memory. */
struct via *arrive_via_new(enum via_kind kind, const struct ip *proxy) MUST_USE;
void arrive_via_free(struct via **v);

/* again.c */
void again_by_xclient(struct session *s, const struct smtp_xclient *x);
/* Its client is another one from now on: AGAIN_LET_IN wants arrive_welcome(), AGAIN_BLOCKED again_refuse(). */
enum again { AGAIN_LET_IN, AGAIN_BLOCKED, AGAIN_FAILED /* no memory: all is as before */ };
enum again again_for_policy(struct session *s, const struct smtp_xclient *x) MUST_USE;
void again_refuse(struct session *s, struct slice by, struct slice text);
/* The client's session ends in journal and counts; the connection stays. */
void again_leave(struct session *s);

/* session.c */
/* NULL: no memory; `fd` is closed, its client told. */
struct session *session_new(struct worker *w, int fd, const struct peer *peer) MUST_USE;
/* Reads, lets the protocol core work and sends, until something must be awaited. */
void session_pump(struct session *s);
/* Ends the session with a reply that nobody asked for (421) and journals why. */
void session_end(struct session *s, const char *by, struct slice text);
/* For the session's records: the reply that refused it. */
void session_keep_why(struct session *s, struct slice reply);
/* Closes now, with what has been written already. */
void session_close(struct session *s);

/* Sends what is to be sent; every byte of a session's replies leaves by it. */
enum net_result session_flush(struct session *s);

/* away.c: clients that are turned away at the door: told and journaled with an id, and nothing else is done */
/* `fd` of a listener with implicit TLS is closed without a word: what we say in the clear would be no TLS. */
void away_over_limit(struct worker *w, int fd, const struct peer *peer, struct slice words);
/* Without a word to it. */
void away_silently(struct worker *w, const struct peer *peer, struct slice by, struct slice why);
/* With the words of the rule that has blocked it, if the rules still have it. */
void away_blocked(struct worker *w, int fd, const struct peer *peer, const struct score_hold *hold);

/* ending.c; also session_end(), session_drain() and session_stop() */
/* What the client sent and nobody read would make the kernel answer the close with a reset: reads and drops it. */
/* Ends the session of a newcomer who says nothing, so that a client known good gets its place. False: there is none. */
bool ending_make_room(struct worker *w) MUST_USE;
void ending_read_rest(struct session *s);
/* Nothing more is done for the client: what has been written leaves, then we close. `awaited`: it has said QUIT. */
void ending_finish(struct session *s, bool awaited);
/* The last reply is on its way, and the loop has reported something. */
void ending_go_on(struct session *s);

/* talk.c */
/* Judges the client, then says the banner; or, where XCLIENT began the session, answers that with it. */
void talk_greet(struct session *s);
void talk_event(struct session *s, enum smtp_event_kind kind, const struct smtp_event *ev);
/* What is done at each question of the client: its stage, and how it goes on when nothing stands against it, or when
 * something does. */
struct refusal;
struct step {
	enum score_stage stage;
	void (*go_on)(struct session *);
	void (*refuse)(struct session *, const struct refusal *);
};
extern const struct step talk_steps[ASKED_COUNT];
/* Answers the open question. */
void talk_answer(struct session *s, unsigned code, struct slice text);
/* The same for RCPT and for the whole mail, with who decided it; the mail's line is written then. */
void talk_answer_rcpt(struct session *s, unsigned code, struct slice text, struct slice by);
void talk_answer_message(struct session *s, unsigned code, struct slice text, struct slice by);

/* stage.c */
/* The first: the client's names are looked up whatever the rules want. */
void stage_arrive(struct session *s);
/* Finds out what the rules want to know, judges, and does what the step of the open question says; or waits first. */
void stage_begin(struct session *s);
/* An answer of the DNS. */
void stage_on_dns(struct session *s, const struct dns_result *result);
/* The SPF evaluation of its mail is done. */
void stage_on_spf(struct session *s);
/* The stage's time for lookups is over. */
void stage_give_up(struct session *s);
/* A delay is over. */
void stage_resume(struct session *s);

/* body.c */
void body_begin(struct session *s);
void body_take(struct session *s, struct slice part);
/* False: it could not be kept. */
bool body_end(struct session *s) MUST_USE;

/* facts.c */
/* What is known now; borrowed from the session. */
struct score_facts facts_of(const struct session *s);

/* judge.c */
enum judged {
	JUDGED_GO,
	JUDGED_WAIT,   /* the session awaits the end of a delay; stage_resume() goes on */
	JUDGED_REFUSED /* *refusal_r is what to say now */
};
struct refusal {
	unsigned code;
	struct slice text; /* with its enhanced code; valid until the next judgement of this worker */
	struct slice by;   /* the rule's name */
};
/* A refusal of our own with the id by which the journal knows it; valid as that of a rule is. */
struct slice judge_sign(struct session *s, struct slice text);
enum judged judge_stage(struct session *s, enum score_stage stage, struct refusal *refusal_r);
/* The delay is over, or the session ends in it. */
void judge_end_delay(struct session *s);
/* The scope ends: tells what `log` and `mail` rules found true after their last test. Before the next two. */
void judge_tell(struct session *s, enum score_scope scope);
/* The recipient in question is answered; the mail is over. */
void judge_recipient_done(struct session *s, bool accepted);
void judge_mail_done(struct session *s);
/* What we deferred must not eat a rate budget: takes the event back. */
void judge_undo(struct session *s, enum score_event event);
/* The same for the whole mail, when it has ended deferred: its MAIL and the recipients that were taken. */
void judge_take_back(struct session *s);
/* A key was not known when the event was counted, and is now. */
void judge_learned(struct session *s, enum score_event event, enum score_key_kind key);
/* What the rules say now, for the journal. */
void judge_sum_up(struct session *s, struct score_verdict *verdict_r);
/* Something happened that rules may count. */
void judge_event(struct session *s, enum score_event event, uint64_t amount);
void judge_release(struct session *s);

/* act.c */
/* What a verdict does beside the reply: log lines, alerts, the rate of throttled input. */
/* One that no rule makes. */
void act_alert(struct worker *w, const struct generation *g, const struct alert *a);
void act_on(struct session *s, const struct score_facts *f, const struct score_verdict *v);
/* The log lines and alerts alone. */
void act_tell(struct session *s, const struct score_facts *f, const struct score_verdict *v);
/* Keeps further connections of the client out; this session ends with the refusal. */
void act_block(struct session *s, const struct score_verdict *v);
/* The header lines of the `tag` rules. False: memory is out. */
bool act_write_tags(const struct session *s, struct slice id, struct buf *out) MUST_USE;
/* For known good: what became of a mail of this client. SPARED: refused but for the promise, and so deferred. */
enum deed { DEED_ACCEPTED, DEED_REFUSED, DEED_SPARED };
void act_remember(struct session *s, enum deed deed);
/* Of one key alone; returns whether it is known good now. */
bool act_note_deed(struct session *s, const struct score_key *key, enum deed deed);

/* grey.c */
/* The same for the identity that the mail is proven to be from. */
void grey_remember(struct session *s, enum deed deed);

/* offer.c */
/* Fills s->announced: what the session hears as of its EHLO, and is held to. */
void offer_extensions(struct session *s);

/* transfer.c */
/* `id` is written to, and must live as long as what is returned. */
struct relay_client transfer_client(const struct session *s, char id[ID_TEXT]);
void transfer_check_rcpt(struct session *s);
/* The whole mail has come: should its client leave while it is judged, its retry must not overtake it. False: no
 * memory, and that is answered. */
bool transfer_expect(struct session *s) MUST_USE;
void transfer_deliver(struct session *s);
void transfer_answer(struct session *s, const struct relay_done *done);
/* For the journal: which backend it was, and its own words. */
void transfer_note_backend(struct session *s, const struct relay_done *d);
/* The client is gone or the server ends: no answer is wanted any more. */
void transfer_cancel(struct session *s);

/* recipients.c: is the recipient in question known? */
void recipients_ask(struct session *s);
void recipients_answer(struct session *s, const struct relay_done *d);
/* Gives the answers of recipient_sources to the sessions that wait for them. */
void recipients_collect(struct worker *w);
/* Who looks for a user who is not there, or for an open relay. */
void recipients_note_bad(struct session *s);
/* receipt.c: a mail whose client does not hear our 250 comes again, and must not be delivered twice */
/* The client has perhaps ended its side while its mail is judged behind its dot, or on its way: it may have gone. */
void receipt_doubt(struct session *s);
/* s->mail was accepted and has been answered, though not flushed: it is kept until that is heard. */
void receipt_await(struct session *s);
/* All that was answered has been flushed. */
void receipt_flushed(struct session *s);
/* Lets those go that have been heard by now. */
void receipt_look(struct session *s);
/* Is one left that is worth waiting for? */
bool receipt_is_awaited(struct session *s) MUST_USE;
/* What has waited long enough is taken for lost; the timer is set for what has not. */
void receipt_on_time(struct session *s);
/* The connection ends: what has not been heard is lost. */
void receipt_settle(struct session *s);

/* deadline.c */
void deadline_client(struct session *s); /* for the next command or the next part of a body */
void deadline_body(struct session *s);	 /* one begins */
void deadline_press(struct session *s);	 /* pressure has become high: what it waits for may now take less time */
void deadline_after(struct session *s, uint64_t ms);
/* Throttled: until there is something worth reading; then session_pump(). */
void deadline_throttle(struct session *s);
/* What has come to its end. */
void deadline_passed(struct session *s);

/* retell.c: what a trace is told; only while transcripts_on() */
static inline bool retell_wanted(const struct worker *w)
{
	return transcripts_on(w->app->transcripts);
}
void retell_connect(struct session *s);
void retell_away(
	struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code, struct slice words);
/* `used`: the input that the core has used for this event; its first `chunk` bytes, if there are so many, belong to a
 * BDAT that was told before. */
void retell_in(
	struct session *s, struct slice used, uint32_t chunk, enum smtp_event_kind kind, const struct smtp_event *ev);
/* Replies that were not told yet. */
void retell_out(struct session *s);
/* After a handshake; `error` NULL: it went well. */
void retell_tls(struct session *s, const char *error);
void retell_lookup(struct session *s, const struct lookup_told *told);
void retell_fires(struct session *s, enum score_stage stage, const struct score_fires *fires);
/* `acted`: the client was refused or made to wait now. */
void retell_verdict(struct session *s, enum score_stage stage, const struct score_verdict *v, bool acted);
void retell_backend(struct session *s, const struct relay_done *d);
void retell_end(struct session *s);

/* journal.c */
/* The mail has ended: writes its line, counts it and drops it. */
void journal_mail(struct session *s);
void journal_session(struct session *s);
/* A client that was turned away at the door: by "limit", "block" or a rule. */
void journal_turned_away(
	struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code, struct slice words);
/* The end of a mail whose client had left when the dot was out already: a second line with the same id. */
void journal_orphan(struct worker *w, uint64_t id, const struct relay_done *done);

#endif
