#include "tests/relay/maildir_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct slice RCPTS[] = { SLICE_INIT("one@example.test"), SLICE_INIT("two@example.test") };

void letter_write(struct maildir_rig *f, struct letter *l, struct slice mem)
{
	*l = (struct letter){ .job = { .owner = &f->owner, .mail = &l->mail } };
	l->mail.sender = SLICE("me@example.org");
	l->mail.rcpts = RCPTS;
	l->mail.rcpts_n = 2;
	l->body.bytes = mem;
	l->mail.body = (struct relay_body){ .head = SLICE("Received: x\r\n\ty\r\n"), .mem = &l->body, .fd = -1 };
}

int maildir_set_up(void **state)
{
	struct maildir_rig *f = calloc(1, sizeof *f);
	strcpy(f->top, "/tmp/maildir-test-XXXXXX");
	if (!f || !mkdtemp(f->top))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/a/b/Maildir", f->top);
	f->m = relay_maildir_new(f->path, SLICE("mx.example.test"));
	relay_maildir_owner_init(&f->owner, NULL);
	*state = f;
	return f->m ? 0 : -1;
}

int maildir_tear_down(void **state)
{
	struct maildir_rig *f = *state;
	char command[128];
	relay_maildir_free(&f->m);
	relay_maildir_owner_clear(&f->owner);
	snprintf(command, sizeof command, "rm -rf %s", f->top);
	int failed = system(command);
	free(f);
	return failed;
}

struct relay_maildir_job *maildir_wait(struct relay_maildir_owner *o)
{
	struct relay_maildir_job *job = NULL;
	for (int i = 0; i < 5000 && !(job = relay_maildir_collect(o)); i++)
		usleep(1000);
	assert_non_null(job);
	return job;
}

int letter_deliver(struct maildir_rig *f, struct letter *l)
{
	assert_true(relay_maildir_submit(f->m, &l->job));
	assert_ptr_equal(maildir_wait(&f->owner), &l->job);
	return l->job.error;
}

unsigned maildir_files(const struct maildir_rig *f, const char *folder)
{
	char path[128];
	unsigned n = 0;
	snprintf(path, sizeof path, "%s/%s", f->path, folder);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* The delivered file. */
char *letter_read(const struct maildir_rig *f, const struct letter *l, size_t *n_r)
{
	char path[256];
	struct stat st;
	snprintf(path, sizeof path, "%s/new/%s", f->path, l->job.name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	char *text = malloc((size_t)st.st_size + 1);
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	*n_r = fread(text, 1, (size_t)st.st_size, in);
	assert_int_equal(*n_r, st.st_size);
	fclose(in);
	return text;
}

void letter_assert(const struct maildir_rig *f, const struct letter *l, const char *wanted)
{
	size_t n;
	char *text = letter_read(f, l, &n);
	assert_slice(slice_of(text, n), wanted);
	free(text);
}
