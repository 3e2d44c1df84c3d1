/* See program.h */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void take_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "r");
	if (f && buf_reserve(out, 65536))
		buf_grew(out, fread(out->data + out->end, 1, 65536, f));
	if (f)
		fclose(f);
	unlink(path);
}

void program_run(struct program *p, const char *socket, const char *words)
{
	char line[1024], out[64], err[64];
	*p = (struct program){ .code = -1 };
	snprintf(out, sizeof(out), "/tmp/sg_tools_%d.out", (int)getpid());
	snprintf(err, sizeof(err), "/tmp/sg_tools_%d.err", (int)getpid());
	snprintf(line, sizeof(line), "'%s' >%s 2>%s </dev/null %s", PROGRAM, out, err, words);
	if (socket)
		setenv("SMTPGUARD_CONTROL", socket, 1);
	else
		unsetenv("SMTPGUARD_CONTROL");
	int rc = system(line);
	if (rc >= 0 && WIFEXITED(rc))
		p->code = WEXITSTATUS(rc);
	take_file(out, &p->out);
	take_file(err, &p->err);
}

void program_release(struct program *p)
{
	buf_release(&p->out);
	buf_release(&p->err);
}
